// RFC 9110, 11.4, and RFC 6750, 2.1: the scheme in any case, spaces, one token68, and nothing else.
const CREDENTIALS = /^bearer +([\w.~+/-]+=*)$/i;

/** The token or API key in an Authorization header; null for a missing or malformed header. */
export function bearerTokenIn(authorization: string | undefined): string | null {
  return authorization === undefined ? null : (CREDENTIALS.exec(authorization)?.[1] ?? null);
}
