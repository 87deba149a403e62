import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { LlmHealth, LlmModelPage } from './llm.dto.js';
import { LlmService } from './llm.service.js';

@ApiTags('Llm')
@Controller('llm')
export class LlmController {
  constructor(private readonly service: LlmService) {}

  @Get('models')
  @ApiOperation({ operationId: 'listModels', summary: 'The models that the default provider offers' })
  @ApiOkResponse({ type: LlmModelPage })
  listModels(): Promise<LlmModelPage> {
    return this.service.listModels();
  }

  @Get('health')
  @ApiOperation({ operationId: 'checkLlmHealth', summary: 'Whether the default provider can be reached' })
  @ApiOkResponse({ type: LlmHealth })
  checkHealth(): Promise<LlmHealth> {
    return this.service.checkHealth();
  }
}
