/** What an API key may be allowed: to hold conversations, to look at things, to make, change and remove them. */
export const SCOPES = ['chat', 'read', 'manage'] as const;

export type Scope = (typeof SCOPES)[number];

/** Who is asking: the first argument of every service method, and the tenant of its unit of work. */
export interface Actor {
  /** The signed-in user; also the tenant that row-level security admits. */
  readonly userId: string;
  /** The sign-in (device) the access token belongs to; null for an API key. */
  readonly signInId: string | null;
  /** The API key that was sent instead of an access token; null for a sign-in. */
  readonly apiKeyId: string | null;
  /** What the actor may do. A sign-in may do everything, also what no scope names. */
  readonly scopes: readonly Scope[];
  /** The one project that the actor may see, enforced by the database too; null: all of the user's. */
  readonly projectId: string | null;
  /** Whether the user's e-mail address is verified, as the access token says; an API key says nothing of it. */
  readonly isEmailVerified?: boolean;
}

/** The actor of a sign-in. */
export function signedIn(userId: string, signInId: string, isEmailVerified = false): Actor {
  return { userId, signInId, apiKeyId: null, scopes: SCOPES, projectId: null, isEmailVerified };
}
