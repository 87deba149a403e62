import { createHash } from 'node:crypto';
import type { AuditAction } from './audit-actions.js';

/** The kind of actor: the user by a sign-in or an API key, an admin, the server itself, or a person who is not signed in. */
export type ActorKind = 'user' | 'api_key' | 'admin' | 'system' | 'anonymous';

/** Flat and small: ids and names of fields, but no secret, no address and no text that a person wrote. */
export type AuditFacts = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** An event before it gets its place in the chain. */
export interface AuditEntry {
  /** The user whose chain the event belongs to. */
  readonly userId: string;
  readonly id: string;
  readonly at: Date;
  readonly actorKind: ActorKind;
  /** The id of the sign-in, the API key or the admin; null for other kinds. */
  readonly actorId: string | null;
  readonly action: AuditAction;
  readonly subjectId: string | null;
  readonly facts: AuditFacts;
}

/** An event with its place in the chain. */
export interface AuditEvent extends AuditEntry {
  /** Counts from 1, without gaps. */
  readonly seq: number;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
}

/** The previous hash of the first event of a chain. */
export const GENESIS = Buffer.alloc(32);

/**
 * The only form in which an event is hashed: a JSON array in this order, with times in UTC to the millisecond and facts
 * sorted by name. The number is the version of this form.
 */
export function canonicalForm({ userId, id, at, actorKind, actorId, action, subjectId, facts }: AuditEntry): Buffer {
  const names = Object.keys(facts).sort();
  const sorted = names.map((name) => [name, facts[name]]);
  return Buffer.from(JSON.stringify([1, userId, id, at.toISOString(), actorKind, actorId, action, subjectId, sorted]));
}

/** SHA-256 over the previous hash, the sequence number (32 bits, big-endian) and the canonical form. */
export function hashOf(previousHash: Buffer, seq: number, form: Buffer): Buffer {
  const place = Buffer.alloc(4);
  place.writeInt32BE(seq);
  return createHash('sha256').update(previousHash).update(place).update(form).digest();
}
