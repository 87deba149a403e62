/** The environment variables from which a command reads its settings. */
export type Environment = NodeJS.ProcessEnv;

/** The command line is invalid: the usage is printed, and the exit code is 2. */
export class UsageError extends Error {}

/** A person or the system interrupted the command. It has cleaned up and prints nothing. */
export class Interrupted extends Error {}
