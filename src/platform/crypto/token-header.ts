/** The complete header of a token that this server issues. */
export interface TokenHeader {
  /** The algorithm of the signature. */
  readonly alg: string;
  /** The kind of token. */
  readonly typ: string;
  /** The id of the key. */
  readonly kid: string;
}

/**
 * The header of a token in the form that we issue; null for any other text. A header with further members is refused, so
 * that it cannot ask a library for something it does not know (`crit`, `b64`) or should not do (`jwk`, `jku`, `x5c`).
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

/** Rejects the padding, spaces and stray trailing bits that decoders tolerate. */
function hasOneSpelling(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}
