import { createSecretKey, type KeyObject } from 'node:crypto';

const ENTRY = /^([1-9]\d{0,8}):([A-Za-z0-9+/_-]{43}=?)$/;

/** The keys of `MASTER_KEYS` by version, in their order. Null when the setting is invalid. */
export function parseMasterKeys(setting: string): ReadonlyMap<number, KeyObject> | null {
  const keys = new Map<number, KeyObject>();
  for (const entry of setting.split(',')) {
    const [, version, base64] = ENTRY.exec(entry.trim()) ?? [];
    const bytes = Buffer.from(base64 ?? '', 'base64');
    // 32 random bytes have about 30 different values.
    if (bytes.length !== 32 || new Set(bytes).size < 16 || keys.has(Number(version))) return null;
    keys.set(Number(version), createSecretKey(bytes));
  }
  return keys;
}
