import { AppError } from '../../kernel/errors/app-error.js';
import { bytea, statement, text, uuid } from '../database/statement.js';

/** What a client promised about a request: the same key on the same route is the same request. */
export interface IdempotencyKey {
  readonly route: string;
  readonly key: string;
  /** A keyed hash of address and body: a key that comes back with another request is a mistake of the client. */
  readonly requestHash: Buffer;
}

/**
 * Takes the key for a turn, in the transaction that opens it; the message is the answer that a repeat gets. A key that is taken
 * already violates the primary key, and with it the whole transaction. One that is being taken makes us wait until that is decided.
 */
export const INSERT_KEY_OF_TURN = statement<object>()(
  'idempotency_claim',
  { userId: uuid, route: text, key: text, requestHash: bytea, messageId: uuid },
  'insert into idempotency_keys (user_id, route, key, request_hash, message_id) values (:userId, :route, :key, :requestHash, :messageId)',
);

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
export function checkSameRequest(kept: KeptRequest, { requestHash }: IdempotencyKey): void {
  if (!kept.requestHash.equals(requestHash)) throw new AppError('idempotency_key_reused');
}
