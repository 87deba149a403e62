import { createHmac, timingSafeEqual } from 'node:crypto';

const MAC_BYTES = 12;

/**
 * Opaque, signed positions in a list. A cursor names the position after which the next page starts. It is valid only for
 * the list that issued it (`scope`: the list's name, tenant and filters).
 */
export class CursorCodec {
  /** @param keys the first key signs; every key verifies */
  constructor(private readonly keys: readonly [Buffer, ...Buffer[]]) {}

  /** @param position the sort keys of the last row of a page */
  encode(scope: string, position: readonly (string | number | null)[]): string {
    const payload = Buffer.from(JSON.stringify(position));
    return Buffer.concat([mac(this.keys[0], scope, payload), payload]).toString('base64url');
  }

  /** The position, or null when the cursor was not made by `encode` for this scope. */
  decode(scope: string, cursor: string): (string | number | null)[] | null {
    const bytes = Buffer.from(cursor, 'base64url');
    // Node.js skips characters that are not base64url; only the canonical spelling is accepted.
    if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) return null;
    const payload = bytes.subarray(MAC_BYTES);
    const proof = bytes.subarray(0, MAC_BYTES);
    if (!this.keys.some((key) => timingSafeEqual(proof, mac(key, scope, payload)))) return null;
    // The signature is valid, so `encode` wrote this JSON.
    return JSON.parse(payload.toString()) as (string | number | null)[];
  }
}

function mac(key: Buffer, scope: string, payload: Buffer): Buffer {
  return createHmac('sha256', key).update(scope).update('\0').update(payload).digest().subarray(0, MAC_BYTES);
}
