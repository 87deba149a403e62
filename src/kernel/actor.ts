/** Scopes of an API key: `chat` holds conversations, `read` reads data, `manage` creates, changes and deletes data. */
export const SCOPES = ['chat', 'read', 'manage'] as const;

export type Scope = (typeof SCOPES)[number];

/** The authenticated caller: the first argument of every service method, and the tenant of its unit of work. */
export interface Actor {
  /** The user; also the tenant of row-level security. */
  readonly userId: string;
  /** The sign-in (device) the access token belongs to; null for an API key. */
  readonly signInId: string | null;
  /** The API key that was sent instead of an access token; null for a sign-in. */
  readonly apiKeyId: string | null;
  /** What the actor may do. A sign-in may do everything, including operations that name no scope. */
  readonly scopes: readonly Scope[];
  /** The only project that the actor may see, which the database enforces too; null: all projects of the user. */
  readonly projectId: string | null;
  /** Whether the user's e-mail address is verified, according to the access token; absent for an API key. */
  readonly isEmailVerified?: boolean;
}

/** The actor of a sign-in. */
export function signedIn(userId: string, signInId: string, isEmailVerified = false): Actor {
  return { userId, signInId, apiKeyId: null, scopes: SCOPES, projectId: null, isEmailVerified };
}
