import { loadPrices } from '../modules/usage/public/price-list.js';
import type { Environment } from './command.js';
import { withDatabase } from './database-command.js';

/** Loads a price list. It applies to the model calls of turns that open from now on. */
export async function loadPricesCommand(file: string, env: Environment): Promise<void> {
  await withDatabase(env, async ({ system }) => {
    console.log(`Prices loaded: ${await loadPrices(system, file)}`);
  });
}
