import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { SchemaVersion } from '../database/schema-version.js';

/** Whether this instance may get work: the database answers, its schema is at head, and nobody asked us to stop. */
@Injectable()
export class Readiness implements OnModuleDestroy {
  private isDraining = false;

  constructor(private readonly schema: SchemaVersion) {}

  onModuleDestroy(): void {
    this.isDraining = true;
  }

  /** Throws `shutting_down` or `database_unavailable`. */
  async check(): Promise<void> {
    if (this.isDraining) throw new AppError('shutting_down');
    await this.schema.requireHead();
  }
}
