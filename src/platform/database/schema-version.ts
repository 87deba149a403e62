import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppError } from '../../kernel/errors/app-error.js';
import { MIGRATIONS, MIGRATIONS_TABLE } from './data-source.js';
import { fromPgError } from './pg-errors.js';

/** Which migration the database is at, and whether that is the one this version of the application was written for. */
@Injectable()
export class SchemaVersion {
  constructor(private readonly dataSource: DataSource) {}

  /** Throws `database_unavailable` when the database does not answer or its newest migration is another than ours. */
  async requireHead(): Promise<void> {
    const rows = await this.dataSource
      .query<{ name: string }[]>(`select name from ${MIGRATIONS_TABLE} order by id desc limit 1`)
      .catch((error: unknown) => {
        throw fromPgError(error);
      });
    if (rows[0]?.name !== MIGRATIONS.at(-1)?.name) {
      throw new AppError('database_unavailable', {
        detail: 'The schema is not the one this version needs: run the migrations.',
      });
    }
  }
}
