import { setRoleByEmail } from '../modules/users/public/user-administration.js';
import type { Environment } from './command.js';
import { withDatabase } from './database-command.js';

/** Makes an account an admin, or an ordinary user again. The change takes effect with the next request. */
export async function adminCommand(verb: 'grant' | 'revoke', email: string, env: Environment): Promise<void> {
  const role = verb === 'grant' ? 'admin' : 'user';
  await withDatabase(env, (doors) => setRoleByEmail(doors, email, role));
  console.log(`${email} is now ${role === 'admin' ? 'an admin' : 'an ordinary user'}`);
}
