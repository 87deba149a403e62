/** What a command reads its settings from. */
export type Environment = NodeJS.ProcessEnv;

/** The command was not understood: the usage is shown, and the exit code is 2. */
export class UsageError extends Error {}

/** A person or the system asked the command to stop; it has cleaned up and says nothing. */
export class Interrupted extends Error {}
