import { AppError } from '../../kernel/errors/app-error.js';
import { bytea, statement, text, uuid } from '../database/statement.js';

/** The client's promise that requests to the same route with the same key are the same request. */
export interface IdempotencyKey {
  readonly route: string;
  readonly key: string;
  /** A keyed hash of address and body. If it differs for the same key, the client has made a mistake. */
  readonly requestHash: Buffer;
}

/**
 * Stores the key of a turn, in the transaction that opens the turn; a repeat gets the message as its response. A key that is
 * already stored violates the primary key, which fails the transaction. If another transaction is storing it, this one waits.
 */
export const INSERT_KEY_OF_TURN = statement<object>()(
  'idempotency_claim',
  { userId: uuid, route: text, key: text, requestHash: bytea, messageId: uuid },
  'insert into idempotency_keys (user_id, route, key, request_hash, message_id) values (:userId, :route, :key, :requestHash, :messageId)',
);

/** The request that a key was stored for. */
export interface KeptRequest {
  readonly requestHash: Buffer;
  readonly messageId: string | null;
  readonly response: KeptResponse | null;
}

/** The status is not stored, because it belongs to the route. */
export interface KeptResponse {
  readonly etag?: string | undefined;
  readonly location?: string | undefined;
  /** The response is not stored: a repeat does the work again. */
  readonly isAnew?: boolean;
  readonly body: unknown;
}

/** Throws `idempotency_key_reused` when the key was stored for another request. */
export function checkSameRequest(kept: KeptRequest, { requestHash }: IdempotencyKey): void {
  if (!kept.requestHash.equals(requestHash)) throw new AppError('idempotency_key_reused');
}
