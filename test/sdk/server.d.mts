/** The names of all fields whose values the document leaves open. */
export function openFields(document: object): Set<string>;

/** The same answer with an unheard-of value in every open field, and with one more field in every object. */
export function toFuture(value: unknown, open: ReadonlySet<string>): unknown;
