import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { LlmHealth } from './llm.dto.js';
import { LlmService } from './llm.service.js';
import { LlmModelPage } from './public/llm-model.dto.js';

@ApiTags('Llm')
@Controller('llm')
export class LlmController {
  constructor(private readonly service: LlmService) {}

  @Scope('read', 'chat')
  @Get('models')
  @ApiOperation({
    operationId: 'listModels',
    summary: 'List the models of the server',
    description: 'The models that the default provider offers. The server asks the provider.',
  })
  @ApiOkResponse({ type: LlmModelPage })
  @ApiProblems(
    'provider_unreachable',
    'provider_key_refused',
    'provider_rejected',
    'provider_bad_response',
    'provider_disconnected',
    'provider_error',
    'provider_credit_exhausted',
    'provider_rate_limited',
    'provider_overloaded',
    'provider_timeout',
  )
  listModels(): Promise<LlmModelPage> {
    return this.service.listModels();
  }

  @Scope('read', 'chat')
  @Get('health')
  @ApiOperation({
    operationId: 'checkLlmHealth',
    summary: 'Check the default provider',
    description:
      'Calls the default provider, and says whether it can be reached and accepts the key of this server. A failed check is 200 with `ok: false`.',
  })
  @ApiOkResponse({ type: LlmHealth })
  checkHealth(): Promise<LlmHealth> {
    return this.service.checkHealth();
  }
}
