import { applyRetention } from '../modules/privacy/public/retention.js';
import type { Environment } from './command.js';
import { withDatabase } from './database-command.js';

/** Applies the retention of all projects now, while the servers run, and says what went. */
export async function retentionRunCommand(env: Environment): Promise<void> {
  await withDatabase(env, async (doors) => {
    const { sessions, messages, projects, failed, reasons } = await applyRetention(doors);
    console.log(`Deleted ${sessions} sessions with ${messages} messages in ${projects} projects`);
    if (failed > 0) throw new Error(`${failed} projects could not be seen to: ${reasons.join('; ')}`);
  });
}
