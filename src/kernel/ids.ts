import { randomFillSync } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

// One call to the system's random generator serves 256 ids.
const pool = new Uint8Array(10 * 256);
let used = pool.length;

/**
 * A new UUID of version 7 (RFC 9562), lower case: 48 bits of Unix milliseconds, then 74 random bits.
 * Ids made later in another millisecond sort later, so primary keys grow at the right edge of their index.
 */
export function newId(nowMs: number = Date.now()): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const byte = (i: number): number => pool[used + i] as number;
  const hex = (value: number): string => HEX[value & 0xff] as string;
  const time = Math.floor(nowMs / 0x10000)
    .toString(16)
    .padStart(8, '0');
  const id =
    `${time}-${hex(nowMs >> 8)}${hex(nowMs)}-` +
    `${hex((byte(0) & 0x0f) | 0x70)}${hex(byte(1))}-${hex((byte(2) & 0x3f) | 0x80)}${hex(byte(3))}-` +
    `${hex(byte(4))}${hex(byte(5))}${hex(byte(6))}${hex(byte(7))}${hex(byte(8))}${hex(byte(9))}`;
  used += 10;
  return id;
}

/** The smallest id that `newId` can make in this millisecond. It turns a period into a range of ids. */
export function firstIdAt(nowMs: number): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}

/** Whether `value` is a UUID in the only spelling that this API uses: lower case, with hyphens. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}
