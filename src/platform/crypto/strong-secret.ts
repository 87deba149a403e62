const MIN_LENGTH = 32;
/** Words that occur in the secrets of examples and tests, but not in random characters. */
const SAMPLE = /change.?me|example|\b(test|secret|default|password)\b/i;

/** What to do about a weak secret; completes the line that names its variable. */
export const STRONG_SECRET = `needs at least ${MIN_LENGTH} random characters, for example from \`openssl rand -base64 48\``;

/** Whether the secret is too short or has too few different characters. */
export function isWeak(secret: string): boolean {
  return secret.length < MIN_LENGTH || new Set(secret).size < 10;
}

/** Whether the secret looks like one that was copied from documentation. */
export function isSample(secret: string): boolean {
  return SAMPLE.test(secret);
}
