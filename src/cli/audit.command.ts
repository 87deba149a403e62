import { AuditRepository } from '../platform/audit/audit.repository.js';
import { verifyAudit } from '../platform/audit/audit-verifier.js';
import type { Environment } from './command.js';
import { withDatabase } from './database-command.js';

/** Verifies all chains: a line for each broken one and a summary. Fails when there is a broken one. */
export async function auditVerifyCommand(env: Environment): Promise<void> {
  await withDatabase(env, async ({ unitOfWork, system }) => {
    const { chains, events, broken } = await verifyAudit(new AuditRepository(unitOfWork, system));
    for (const { userId, seq, fault } of broken) console.log(`Broken: user ${userId}, event ${seq}: ${fault}`);
    if (broken.length > 0) throw new Error(`${broken.length} of ${chains} chains are broken`);
    console.log(`All ${chains} chains are whole (${events} events)`);
  });
}
