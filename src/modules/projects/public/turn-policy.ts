/**
 * What happens to a message that is sent while an answer of its session is being written: `reject` refuses it,
 * `queue` answers it afterwards, `interrupt` stops the running answer, keeps its text, and answers this one.
 */
export const CONFLICT_POLICIES = ['reject', 'queue', 'interrupt'] as const;
export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

/** What becomes of an answer whose instance died in the middle: `retry` asks again, `keep` settles it with its text. */
export const CRASH_POLICIES = ['retry', 'keep'] as const;
export type CrashPolicy = (typeof CRASH_POLICIES)[number];

/**
 * What becomes of history that does not fit into what the model may read: `drop` leaves out the oldest turns, `summarise`
 * has a model sum them up, once, which costs a call of its own.
 */
export const CONTEXT_OVERFLOWS = ['drop', 'summarise'] as const;
export type ContextOverflow = (typeof CONTEXT_OVERFLOWS)[number];
