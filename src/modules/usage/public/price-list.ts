import { readFileSync } from 'node:fs';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { SystemScope } from '../../../platform/database/system-scope.js';
import { type Price, PricesRepository } from '../prices.repository.js';

const OF_THIS_RELEASE = new URL('../prices.json', import.meta.url);

/**
 * Token prices with dates. At the start, each instance adds the prices of its release that are missing. Prices that
 * were loaded by the command line are not changed. If the database is unavailable, it logs a warning and the start
 * continues: each turn reads the prices in the database, and the next start adds the missing ones.
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

/**
 * Loads a list by the command line and overwrites prices of the same models and times. Returns the number of prices.
 * Throws an error that describes the problem in the file; then nothing is loaded.
 */
export async function loadPrices(system: SystemScope, file: string): Promise<number> {
  const prices = readPrices(file);
  await new PricesRepository(system).replace(prices);
  return prices.length;
}

function readPrices(file: string): Price[] {
  try {
    return parsePrices(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === undefined ? message : `the file cannot be read (${code})`;
    throw new Error(`${file}: ${reason}`, { cause: error });
  }
}

/** Throws an error that names the invalid price and the problem. */
export function parsePrices(text: string): Price[] {
  const { version, prices } = parseObject(text);
  if (!isText(version)) throw new Error('the list needs a version');
  if (!Array.isArray(prices)) throw new Error('the list needs prices');
  const seen = new Set<string>();
  return prices.map((given: unknown, i) => {
    const where = `price ${i + 1}`;
    const price = toPrice((given ?? {}) as Record<string, unknown>, version, where);
    const key = JSON.stringify([price.provider, price.model, price.validFrom]);
    if (seen.has(key)) throw new Error(`${where}: the same model and time are there before`);
    seen.add(key);
    return price;
  });
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) ?? {}) as Record<string, unknown>;
  } catch (error) {
    throw new Error('it is not JSON', { cause: error });
  }
}

/** A text that can also be stored. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed() && !value.includes('\0');
}

function toPrice(fields: Record<string, unknown>, version: string, where: string): Price {
  const text = (name: string): string => {
    const value = fields[name];
    if (!isText(value)) throw new Error(`${where}: ${name} must be a text`);
    return value;
  };
  const amount = (name: string): number => {
    const value = fields[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw new Error(`${where}: ${name} must be whole micro-dollars for a million tokens`);
    return value;
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
