/**
 * How a message is handled that arrives while an answer of its session is being written: `reject` refuses it, `queue`
 * answers it afterwards, `interrupt` stops the running answer, keeps its text, and answers this message.
 */
export const CONFLICT_POLICIES = ['reject', 'queue', 'interrupt'] as const;
export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

/**
 * How an answer is handled whose instance died: `retry` calls the model again, `keep` settles it with the text so far.
 */
export const CRASH_POLICIES = ['retry', 'keep'] as const;
export type CrashPolicy = (typeof CRASH_POLICIES)[number];

/**
 * How history that does not fit into the context is handled: `drop` leaves out the oldest turns, `summarise` lets a
 * model summarise them once, which costs an extra call.
 */
export const CONTEXT_OVERFLOWS = ['drop', 'summarise'] as const;
export type ContextOverflow = (typeof CONTEXT_OVERFLOWS)[number];
