import { createHmac, timingSafeEqual } from 'node:crypto';
import { isId } from '../../kernel/ids.js';
import { uuidOf } from './refresh-token.js';

const HEAD_BYTES = 16 + 4;

/** The parts of a token. Do not trust them before `matches` has verified them. */
export interface MailToken {
  readonly userId: string;
  readonly expiresAtMs: number;
  readonly mac: Buffer;
}

/**
 * Tokens in e-mails. A token names its user and its expiry, with an HMAC over both and over a `state` that using the
 * token changes. So no token is stored, a stolen database is not enough to make one, and the first use invalidates all
 * open tokens.
 */
export class MailTokens {
  /** @param prefix identifies the kind of token to people and to scanners for leaked secrets */
  constructor(
    private readonly prefix: string,
    private readonly key: Buffer,
  ) {}

  issue(userId: string, expiresAtMs: number, state: string): string {
    const head = headOf(userId, expiresAtMs);
    return this.prefix + Buffer.concat([head, this.mac(head, state)]).toString('base64url');
  }

  /** The parts of a token; null for any other text. */
  parse(text: string): MailToken | null {
    const encoded = text.slice(this.prefix.length);
    const bytes = Buffer.from(encoded, 'base64url');
    // Node's decoder skips invalid characters, so compare: a token has only one spelling.
    const isWhole = bytes.length === HEAD_BYTES + 32 && bytes.toString('base64url') === encoded;
    if (!text.startsWith(this.prefix) || !isWhole) return null;
    const userId = uuidOf(bytes.subarray(0, 16));
    if (!isId(userId)) return null;
    return { userId, expiresAtMs: bytes.readUInt32BE(16) * 1000, mac: bytes.subarray(HEAD_BYTES) };
  }

  /** Whether this server made the token for this `state`. The caller must check the expiry. */
  matches({ userId, expiresAtMs, mac }: MailToken, state: string): boolean {
    return timingSafeEqual(mac, this.mac(headOf(userId, expiresAtMs), state));
  }

  private mac(head: Buffer, state: string): Buffer {
    return createHmac('sha256', this.key).update(head).update(state).digest();
  }
}

function headOf(userId: string, expiresAtMs: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(userId.replaceAll('-', ''), 0, 'hex');
  head.writeUInt32BE(Math.floor(expiresAtMs / 1000), 16);
  return head;
}
