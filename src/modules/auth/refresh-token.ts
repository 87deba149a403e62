import { createHmac, timingSafeEqual } from 'node:crypto';
import { isId } from '../../kernel/ids.js';

const PREFIX = 'prt_';
const HEAD_BYTES = 16 + 16 + 4;

/** The parts of a refresh token. Do not trust them before `matches` has verified them. */
export interface RefreshToken {
  readonly userId: string;
  readonly signInId: string;
  readonly generation: number;
  readonly mac: Buffer;
}

/**
 * A refresh token names its sign-in and generation, with an HMAC over both and the sign-in's random seed. So no token
 * is stored in any form, a stolen database is not enough to make one, and a token of any earlier generation is still
 * recognised as a replay.
 */
export class RefreshTokens {
  /** @param keys the first one signs new tokens; tokens of all of them are accepted */
  constructor(private readonly keys: readonly [Buffer, ...Buffer[]]) {}

  issue(signIn: { userId: string; id: string; seed: Buffer; generation: number }): string {
    const head = headOf(signIn.userId, signIn.id, signIn.generation);
    return PREFIX + Buffer.concat([head, mac(this.keys[0], head, signIn.seed)]).toString('base64url');
  }

  /** The parts of a token; null for any other text. */
  parse(token: string): RefreshToken | null {
    if (!token.startsWith(PREFIX)) return null;
    const bytes = Buffer.from(token.slice(PREFIX.length), 'base64url');
    // Node's decoder skips invalid characters, so compare: a token has only one spelling.
    if (bytes.length !== HEAD_BYTES + 32 || bytes.toString('base64url') !== token.slice(PREFIX.length)) return null;
    const [userId, signInId] = [uuidOf(bytes.subarray(0, 16)), uuidOf(bytes.subarray(16, 32))];
    if (!isId(userId) || !isId(signInId)) return null;
    return {
      userId,
      signInId,
      generation: bytes.readUInt32BE(32),
      mac: bytes.subarray(HEAD_BYTES),
    };
  }

  /** Whether this server made the token for the sign-in with this seed. */
  matches(token: RefreshToken, seed: Buffer): boolean {
    const head = headOf(token.userId, token.signInId, token.generation);
    return this.keys.some((key) => timingSafeEqual(token.mac, mac(key, head, seed)));
  }
}

function mac(key: Buffer, head: Buffer, seed: Buffer): Buffer {
  return createHmac('sha256', key).update(seed).update(head).digest();
}

function headOf(userId: string, signInId: string, generation: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(userId.replaceAll('-', ''), 0, 'hex');
  head.write(signInId.replaceAll('-', ''), 16, 'hex');
  head.writeUInt32BE(generation, 32);
  return head;
}

export function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
