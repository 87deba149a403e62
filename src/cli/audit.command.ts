import { AuditRepository } from '../platform/audit/audit.repository.js';
import { verifyAudit } from '../platform/audit/audit-verifier.js';
import type { Environment } from './command.js';
import { withDatabase } from './database-command.js';

/** Verifies all chains. Prints a line for each broken chain, or a summary when all are intact. Throws when one is broken. */
export async function auditVerifyCommand(env: Environment): Promise<void> {
  await withDatabase(env, async ({ unitOfWork, system }) => {
    const { chains, events, broken } = await verifyAudit(new AuditRepository(unitOfWork, system));
    for (const { userId, seq, fault } of broken) console.log(`Broken: user ${userId}, event ${seq}: ${fault}`);
    if (broken.length > 0) throw new Error(`broken chains: ${broken.length} of ${chains}`);
    console.log(`All chains are intact: ${chains} chains, ${events} events`);
  });
}
