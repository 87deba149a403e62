/** A whole number that fits into 32 bits, for the OpenAPI document: a page size, a position, a status. */
export const INT32 = { type: 'integer', format: 'int32' } as const;

/** A whole number that may exceed 32 bits: money in micro-dollars, tokens, counters. */
export const INT64 = { type: 'integer', format: 'int64' } as const;

/**
 * The ids in the examples of the OpenAPI document. Readers replace them with their own ids; the contract test that sends
 * the examples does the same.
 */
export const EXAMPLE_IDS = {
  project: '01996f3a-7c1e-7d35-9b0a-4f6c2a8e1d01',
  firstPrompt: '01996f3a-7c1e-7d35-9b0a-4f6c2a8e1d02',
  secondPrompt: '01996f3a-7c1e-7d35-9b0a-4f6c2a8e1d03',
} as const;
