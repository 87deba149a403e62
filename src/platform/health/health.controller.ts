import { Controller, Get, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { RouteConfig } from '@nestjs/platform-fastify';
import { DataSource } from 'typeorm';
import { AppError } from '../../kernel/errors/app-error.js';
import { MIGRATIONS, MIGRATIONS_TABLE } from '../database/data-source.js';
import { fromPgError } from '../database/pg-errors.js';
import { ApiProblems } from '../http/api-problems.decorator.js';
import { Public } from '../http/public.decorator.js';

export class Health {
  @ApiProperty({ enum: ['ok'] })
  status: 'ok';
}

/** Whether this instance may get work: the database answers, its schema is at head, and nobody asked us to stop. */
@Injectable()
export class Readiness implements OnModuleDestroy {
  private isDraining = false;

  constructor(private readonly dataSource: DataSource) {}

  onModuleDestroy(): void {
    this.isDraining = true;
  }

  async check(): Promise<void> {
    if (this.isDraining) throw new AppError('shutting_down');
    const newest = MIGRATIONS.at(-1)?.name;
    const rows = await this.dataSource
      .query<{ name: string }[]>(`select name from ${MIGRATIONS_TABLE} order by id desc limit 1`)
      .catch((error: unknown) => {
        throw fromPgError(error);
      });
    if (rows[0]?.name !== newest) {
      throw new AppError('database_unavailable', {
        detail: 'The schema is not the one this version needs: run the migrations.',
      });
    }
  }
}

@ApiTags('Health')
@Controller('health')
@Public()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @RouteConfig({ isQuiet: true })
  @ApiOperation({ operationId: 'getLiveness', summary: 'Whether the process runs' })
  @ApiOkResponse({ type: Health })
  live(): Health {
    return { status: 'ok' };
  }

  @Get('ready')
  @RouteConfig({ isQuiet: true })
  @ApiOperation({ operationId: 'getReadiness', summary: 'Whether the instance may get work' })
  @ApiOkResponse({ type: Health })
  @ApiProblems('database_unavailable', 'shutting_down')
  async ready(): Promise<Health> {
    await this.readiness.check();
    return { status: 'ok' };
  }
}
