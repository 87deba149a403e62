import { createHmac, timingSafeEqual } from 'node:crypto';
import { isId } from '../../kernel/ids.js';
import { uuidOf } from './refresh-token.js';

const HEAD_BYTES = 16 + 4;

/** What a token says of itself; it means nothing before `matches` has proved it. */
export interface MailToken {
  readonly userId: string;
  readonly expiresAtMs: number;
  readonly mac: Buffer;
}

/**
 * Tokens that go out by mail. They name their user and their end and prove them by an HMAC over a `state` that the use of the
 * token changes: so nothing is stored, a stolen database alone makes none, and the first use ends all that are open.
 */
export class MailTokens {
  /** @param prefix tells a person, and a scanner for secrets, what it is */
  constructor(
    private readonly prefix: string,
    private readonly key: Buffer,
  ) {}

  issue(userId: string, expiresAtMs: number, state: string): string {
    const head = headOf(userId, expiresAtMs);
    return this.prefix + Buffer.concat([head, this.mac(head, state)]).toString('base64url');
  }

  /** The parts of a token, or null when it has not the form of one. */
  parse(text: string): MailToken | null {
    const encoded = text.slice(this.prefix.length);
    const bytes = Buffer.from(encoded, 'base64url');
    // Node's decoder skips what is no base64url; a token has one spelling.
    const isWhole = bytes.length === HEAD_BYTES + 32 && bytes.toString('base64url') === encoded;
    if (!text.startsWith(this.prefix) || !isWhole) return null;
    const userId = uuidOf(bytes.subarray(0, 16));
    if (!isId(userId)) return null;
    return { userId, expiresAtMs: bytes.readUInt32BE(16) * 1000, mac: bytes.subarray(HEAD_BYTES) };
  }

  /** Whether this server made the token when things were as `state` says. Whether its time is over is for the caller to see. */
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
