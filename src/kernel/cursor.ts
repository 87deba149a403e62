import { createHmac, timingSafeEqual } from 'node:crypto';

const MAC_BYTES = 12;

/**
 * Opaque, signed positions in a list. A cursor names the place after which the next page starts, and is good only for
 * the list (`scope`: its name, tenant and filters) that gave it out.
 */
export class CursorCodec {
  constructor(private readonly key: Buffer | string) {}

  /** @param position the sort keys of the last row of a page */
  encode(scope: string, position: readonly (string | number | null)[]): string {
    const payload = Buffer.from(JSON.stringify(position));
    return Buffer.concat([this.mac(scope, payload), payload]).toString('base64url');
  }

  /** The position, or null when the cursor was not made by `encode` for this scope. */
  decode(scope: string, cursor: string): (string | number | null)[] | null {
    const bytes = Buffer.from(cursor, 'base64url');
    // Node's decoder skips what is no base64url; a cursor has one spelling.
    if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) return null;
    const payload = bytes.subarray(MAC_BYTES);
    if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), this.mac(scope, payload))) return null;
    // Signed, so it is JSON that `encode` wrote.
    return JSON.parse(payload.toString()) as (string | number | null)[];
  }

  private mac(scope: string, payload: Buffer): Buffer {
    return createHmac('sha256', this.key).update(scope).update('\0').update(payload).digest().subarray(0, MAC_BYTES);
  }
}
