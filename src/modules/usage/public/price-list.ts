import { readFileSync } from 'node:fs';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { SystemScope } from '../../../platform/database/system-scope.js';
import { type Price, PricesRepository } from '../prices.repository.js';

const OF_THIS_RELEASE = new URL('../prices.json', import.meta.url);

/**
 * What tokens cost, as data with dates. Each instance brings the list of its release and adds what is missing; what an
 * admin has loaded by the command line stays as it is. Without the database it says so and goes on: prices are read with
 * each turn, and another start brings them.
 */
@Injectable()
export class PriceList implements OnApplicationBootstrap {
  private readonly log = new Logger(PriceList.name);

  constructor(private readonly prices: PricesRepository) {}

  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.prices.add(parsePrices(readFileSync(OF_THIS_RELEASE, 'utf8')));
    } catch (error) {
      this.log.warn({ err: error }, 'The prices of this release were not added');
    }
  }
}

/** Loads a list by the command line, in place of what is known of the same models from the same days on. Gives its size. */
export async function loadPrices(system: SystemScope, file: string): Promise<number> {
  const prices = parsePrices(readFileSync(file, 'utf8'));
  await new PricesRepository(system).replace(prices);
  return prices.length;
}

/** Throws an error that says which line of the list is wrong, and how. */
export function parsePrices(text: string): Price[] {
  const { version, prices } = JSON.parse(text) as { version?: unknown; prices?: unknown };
  if (typeof version !== 'string' || version === '') throw new Error('the list needs a version');
  if (!Array.isArray(prices)) throw new Error('the list needs prices');
  return prices.map((price: unknown, i) => toPrice(price as Record<string, unknown>, version, `price ${i + 1}`));
}

function toPrice(fields: Record<string, unknown>, version: string, where: string): Price {
  const text = (name: string): string => {
    const value = fields[name];
    if (typeof value !== 'string' || value === '') throw new Error(`${where}: ${name} must be a text`);
    return value;
  };
  const amount = (name: string): number => {
    const value = fields[name];
    if (!Number.isSafeInteger(value) || (value as number) < 0)
      throw new Error(`${where}: ${name} must be whole micro-dollars for a million tokens`);
    return value as number;
  };
  const validFrom = new Date(text('valid_from'));
  if (Number.isNaN(validFrom.getTime())) throw new Error(`${where}: valid_from must be a time`);
  return {
    provider: text('provider'),
    model: text('model'),
    validFrom: validFrom.toISOString(),
    inputMicroUsd: amount('input_micro_usd'),
    cachedInputMicroUsd: fields.cached_input_micro_usd === undefined ? null : amount('cached_input_micro_usd'),
    outputMicroUsd: amount('output_micro_usd'),
    version,
  };
}
