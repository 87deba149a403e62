import { loadPrices } from '../modules/usage/public/price-list.js';
import type { Environment } from './command.js';
import { withDatabase } from './database-command.js';

/** Loads a list of prices. Calls whose turn is opened from now on are counted by them. */
export async function loadPricesCommand(file: string, env: Environment): Promise<void> {
  await withDatabase(env, async ({ system }) => {
    console.log(`${await loadPrices(system, file)} prices are loaded`);
  });
}
