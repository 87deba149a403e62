/** The server, and the same server as it may look one day: with values, and fields, that today's document does not name. */
export const SERVER = process.env.PARLEY_URL ?? '';
export const FUTURE = process.env.PARLEY_FUTURE_URL ?? '';

export const EMAIL = process.env.PARLEY_EMAIL ?? '';
export const PASSWORD = 'correct horse battery';
export const NOWHERE = '00000000-0000-7000-8000-000000000000';

/** Reports what a step of the job has read out of the generated types, one line of JSON each. */
export function tell(step: string, facts: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);
}

/** A step got what the document does not promise. */
export function unexpected(what: string, got: unknown): never {
  throw new Error(`${what}: ${JSON.stringify(got)}`);
}

export function play(job: () => Promise<void>): void {
  job().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : JSON.stringify(error)}\n`);
    process.exitCode = 1;
  });
}
