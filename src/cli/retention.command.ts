import { applyRetention } from '../modules/privacy/public/retention.js';
import type { Environment } from './command.js';
import { withDatabase } from './database-command.js';

/** Applies the retention of all projects now, while the servers run, and prints what was deleted. Throws when a project failed. */
export async function retentionRunCommand(env: Environment): Promise<void> {
  await withDatabase(env, async (doors) => {
    const { sessions, messages, projects, failed, reasons } = await applyRetention(doors);
    console.log(`Deleted: ${sessions} sessions, ${messages} messages; in ${projects} projects`);
    if (failed > 0) throw new Error(`projects in which it failed: ${failed} (${reasons.join('; ')})`);
  });
}
