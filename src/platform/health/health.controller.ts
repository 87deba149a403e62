import { Controller, Get } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../http/api-problems.decorator.js';
import { Public } from '../http/public.decorator.js';
import { Readiness } from './readiness.js';

export class Health {
  @ApiProperty({ enum: ['ok'], enumName: 'HealthStatus' })
  status: 'ok';
}

@ApiTags('Health')
@Controller('health')
@Public()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @RouteConfig({ isQuiet: true })
  @ApiOperation({
    operationId: 'getLiveness',
    summary: 'Check that the process runs',
    description: 'For process supervisors. It checks nothing else.',
    security: [],
  })
  @ApiOkResponse({ type: Health })
  live(): Health {
    return { status: 'ok' };
  }

  @Get('ready')
  @RouteConfig({ isQuiet: true })
  @ApiOperation({
    operationId: 'getReadiness',
    summary: 'Check that the instance can take work',
    description:
      'For load balancers. 200: the database can be reached, its schema is current, and the instance is not shutting down.',
    security: [],
  })
  @ApiOkResponse({ type: Health })
  @ApiProblems('database_unavailable', 'shutting_down')
  async ready(): Promise<Health> {
    await this.readiness.check();
    return { status: 'ok' };
  }
}
