/** Who is asking: the first argument of every service method, and the tenant of its unit of work. */
export interface Actor {
  /** The signed-in user; also the tenant that row-level security admits. */
  readonly userId: string;
  /** The sign-in (device) the access token belongs to. */
  readonly signInId: string;
}
