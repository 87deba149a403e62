import { Logger } from '@nestjs/common';
import { AuditRepository } from '../platform/audit/audit.repository.js';
import { verifyAudit } from '../platform/audit/audit-verifier.js';
import { appDataSource } from '../platform/database/data-source.js';
import { openDatabase } from '../platform/database/open-database.js';
import { SystemScope } from '../platform/database/system-scope.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import type { Environment } from './command.js';
import { databaseConfig } from './database-config.js';

/** Verifies all chains: a line for each broken one and a summary. Fails when there is a broken one. */
export async function auditVerifyCommand(env: Environment): Promise<void> {
  Logger.overrideLogger(['warn', 'error']);
  const config = databaseConfig(env);
  const database = await openDatabase(config, false, console.error);
  try {
    const dataSource = await appDataSource(config, [], () => undefined).initialize();
    try {
      const rows = new AuditRepository(new UnitOfWork(dataSource), new SystemScope(dataSource));
      const { chains, events, broken } = await verifyAudit(rows);
      for (const { userId, seq, fault } of broken) console.log(`Broken: user ${userId}, event ${seq}: ${fault}`);
      if (broken.length > 0) throw new Error(`${broken.length} of ${chains} chains are broken`);
      console.log(`All ${chains} chains are whole (${events} events)`);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await database.close();
  }
}
