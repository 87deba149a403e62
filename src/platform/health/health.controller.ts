import { Controller, Get } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../http/api-problems.decorator.js';
import { Public } from '../http/public.decorator.js';
import { Readiness } from './readiness.js';

export class Health {
  @ApiProperty({ enum: ['ok'] })
  status: 'ok';
}

@ApiTags('Health')
@Controller('health')
@Public()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @RouteConfig({ isQuiet: true })
  @ApiOperation({ operationId: 'getLiveness', summary: 'Whether the process runs', security: [] })
  @ApiOkResponse({ type: Health })
  live(): Health {
    return { status: 'ok' };
  }

  @Get('ready')
  @RouteConfig({ isQuiet: true })
  @ApiOperation({ operationId: 'getReadiness', summary: 'Whether the instance may get work', security: [] })
  @ApiOkResponse({ type: Health })
  @ApiProblems('database_unavailable', 'shutting_down')
  async ready(): Promise<Health> {
    await this.readiness.check();
    return { status: 'ok' };
  }
}
