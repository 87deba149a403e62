import { AppError } from '../../kernel/errors/app-error.js';
import type { Statement } from '../database/statement.js';

/** What a client promised about a request: the same key on the same route is the same request. */
export interface IdempotencyKey {
  readonly route: string;
  readonly key: string;
  /** A keyed hash of address and body: a key that comes back with another request is a mistake of the client. */
  readonly requestHash: Buffer;
}

// $2 route, $3 key, $4 hash, $5 the answer that a repeat gets. A key that is taken already violates the primary key, and
// with it the whole transaction; one that is being taken makes us wait until that is decided.
const CLAIM = {
  name: 'idempotency_claim',
  text: 'insert into idempotency_keys (user_id, route, key, request_hash, message_id) values ($1, $2, $3, $4, $5)',
};

/** Takes the key for a turn, in the transaction that opens it. */
export function claimForTurn(
  userId: string,
  { route, key, requestHash }: IdempotencyKey,
  messageId: string,
): Statement {
  return { ...CLAIM, values: [userId, route, key, requestHash, messageId] };
}

const FIND = {
  name: 'idempotency_find',
  text: `
select request_hash as "requestHash", message_id as "messageId", response from idempotency_keys
where user_id = $1 and route = $2 and key = $3`,
};

export function findKey(userId: string, { route, key }: IdempotencyKey): Statement {
  return { ...FIND, values: [userId, route, key] };
}

/** What stands under a key. */
export interface KeptRequest {
  readonly requestHash: Buffer;
  readonly messageId: string | null;
  readonly response: KeptResponse | null;
}

/** Status is not kept: it belongs to the route. */
export interface KeptResponse {
  readonly etag?: string | undefined;
  readonly location?: string | undefined;
  /** The answer is not kept: a repeat does the work again. */
  readonly isAnew?: boolean;
  readonly body: unknown;
}

/** Throws `idempotency_key_reused` when the key stands for another request. */
export function requireSameRequest(kept: KeptRequest, { requestHash }: IdempotencyKey): void {
  if (!kept.requestHash.equals(requestHash)) throw new AppError('idempotency_key_reused');
}
