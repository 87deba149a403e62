/** The argument of pg's `query`, as far as tests read it. */
type Query =
  string | { readonly text: string; readonly statements?: readonly { readonly text: string }[]; submit?: unknown };

/**
 * The statements that one call of a connection's `query` runs. A pipeline's transaction has several, and its end commits.
 * A call that only parses a statement runs none.
 */
export function sentStatements(query: unknown): string[] {
  const first = query as Query;
  if (typeof first === 'string') return [first];
  if (first.statements !== undefined) return [...first.statements.map(({ text }) => text), 'commit'];
  return first.submit === undefined ? [first.text] : [];
}
