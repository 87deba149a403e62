import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppError } from '../../kernel/errors/app-error.js';
import { findMigrations, MIGRATIONS_TABLE } from './migration-files.js';
import { fromPgError } from './pg-errors.js';
import { ProductDatabase } from './product-database.js';

/** Whether the database has the schema that this version of the application was written for. */
@Injectable()
export class SchemaVersion {
  private readonly newest: string | undefined;

  constructor(
    private readonly dataSource: DataSource,
    { migrations }: ProductDatabase,
  ) {
    this.newest = findMigrations(migrations).at(-1)?.name;
  }

  /**
   * Throws `database_unavailable` when the database does not answer or our newest migration has not run there. Newer
   * migrations may have run: they keep the previous version working, which a rolling upgrade needs.
   */
  async requireHead(): Promise<void> {
    const rows = await this.dataSource
      .query<{ name: string }[]>(`select name from ${MIGRATIONS_TABLE} where name = $1`, [this.newest])
      .catch((error: unknown) => {
        throw fromPgError(error);
      });
    if (rows.length === 0) {
      throw new AppError('database_unavailable', {
        detail: 'The schema is not the one this version needs: run the migrations.',
      });
    }
  }
}
