export interface ForgedToken {
  readonly name: string;
  readonly token: string;
}

export function forgedTokens(given: {
  token: string;
  publicKeys?: readonly object[];
  refreshToken?: string;
}): ForgedToken[];

export function misusedTokens(given: {
  token: string;
  sign: (header: object, claims: unknown) => string;
}): ForgedToken[];
