export interface Patch {
  readonly body: object;
  readonly changed: readonly string[];
}

/** What is wrong with what a client has told, and with the PATCH that the proxy has seen; an empty list when all is well. */
export function judge(email: string, output: string, patches: readonly Patch[]): string[];
