import { createHash } from 'node:crypto';
import type { AuditAction } from './audit-actions.js';

/** Who did it: the user by a sign-in or an API key, an admin, the server itself, or somebody who is not signed in. */
export type ActorKind = 'user' | 'api_key' | 'admin' | 'system' | 'anonymous';

/** Flat and small; ids and names of fields, never a secret, an address or what a person wrote. */
export type AuditFacts = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** What an event says, before it has its place in the chain. */
export interface AuditEntry {
  /** Whose chain it is in. */
  readonly userId: string;
  readonly id: string;
  readonly at: Date;
  readonly actorKind: ActorKind;
  /** The sign-in, the API key or the admin; null for the others. */
  readonly actorId: string | null;
  readonly action: AuditAction;
  readonly subjectId: string | null;
  readonly facts: AuditFacts;
}

/** An event in its place. */
export interface AuditEvent extends AuditEntry {
  /** From 1, without a gap. */
  readonly seq: number;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
}

/** What the first event of a chain has as the hash before it. */
export const GENESIS = Buffer.alloc(32);

/**
 * The one spelling of an event that is hashed: a JSON array in this order, times in UTC with milliseconds, facts sorted by
 * name. The number is the version of this form.
 */
export function canonicalForm({ userId, id, at, actorKind, actorId, action, subjectId, facts }: AuditEntry): Buffer {
  const names = Object.keys(facts).sort();
  const sorted = names.map((name) => [name, facts[name]]);
  return Buffer.from(JSON.stringify([1, userId, id, at.toISOString(), actorKind, actorId, action, subjectId, sorted]));
}

/** SHA-256 over the hash before, the place (32 bits, big-endian) and the canonical form. */
export function hashOf(previousHash: Buffer, seq: number, form: Buffer): Buffer {
  const place = Buffer.alloc(4);
  place.writeInt32BE(seq);
  return createHash('sha256').update(previousHash).update(place).update(form).digest();
}
