/** All that the header of a signed token of ours says. */
export interface TokenHeader {
  /** The algorithm of the signature. */
  readonly alg: string;
  /** The kind of token. */
  readonly typ: string;
  /** The id of the key. */
  readonly kid: string;
}

/**
 * The header of a token that is spelt as ours are; null for any other text. A header that says more than ours do is refused:
 * so nothing in it can ask for something that a library does not know (`crit`, `b64`) or should not do (`jwk`, `jku`, `x5c`).
 */
export function headerOf(token: string): TokenHeader | null {
  const parts = token.split('.');
  const [head] = parts;
  if (parts.length !== 3 || head === undefined || !parts.every(hasOneSpelling)) return null;
  const header = parsed(head);
  return isOurs(header) ? header : null;
}

function isOurs(header: unknown): header is TokenHeader {
  if (typeof header !== 'object' || header === null || Object.keys(header).length !== 3) return false;
  return ['alg', 'typ', 'kid'].every(
    (name) => typeof Object.getOwnPropertyDescriptor(header, name)?.value === 'string',
  );
}

function parsed(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return null;
  }
}

/** Decoders forgive padding, spaces and stray bits at the end. */
function hasOneSpelling(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}
