import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { decryptWith, encryptWith } from './aes-gcm.js';

const ENTRY = /^([1-9]\d{0,8}):([A-Za-z0-9+/_-]{43}=?)$/;

/** A data key as it is stored: encrypted by the master key of that version. */
export interface WrappedKey {
  readonly masterVersion: number;
  readonly wrappedKey: Buffer;
}

/** The keys of `MASTER_KEYS`, by version, in their order. Null when the setting can not be used. */
export function parseMasterKeys(setting: string): ReadonlyMap<number, KeyObject> | null {
  const keys = new Map<number, KeyObject>();
  for (const entry of setting.split(',')) {
    const [, version, base64] = ENTRY.exec(entry.trim()) ?? [];
    const bytes = Buffer.from(base64 ?? '', 'base64');
    // 32 random bytes have some 30 different ones.
    if (bytes.length !== 32 || new Set(bytes).size < 16 || keys.has(Number(version))) return null;
    keys.set(Number(version), createSecretKey(bytes));
  }
  return keys;
}

/** The keys that never leave the configuration. They encrypt data keys and nothing else. */
@Injectable()
export class MasterKeys {
  /** The version that wraps new data keys: the first of `MASTER_KEYS`. */
  readonly version: number;
  private readonly keys: ReadonlyMap<number, KeyObject>;

  constructor({ masterKeys }: AppConfig) {
    const keys = parseMasterKeys(masterKeys ?? '');
    const [version] = keys?.keys() ?? [];
    if (keys === null || version === undefined) throw new Error('MASTER_KEYS is not set');
    this.keys = keys;
    this.version = version;
  }

  /** @param place the table and the ids of the row that the key is for; it is unwrapped for the same one only */
  wrap(place: readonly string[], dataKey: KeyObject): WrappedKey {
    const { version } = this;
    const wrappedKey = encryptWith(this.key(version), contextOf(place, version), dataKey.export());
    return { masterVersion: version, wrappedKey };
  }

  /** Throws when `MASTER_KEYS` lacks the version, or the key was wrapped for another row. */
  unwrap(place: readonly string[], { masterVersion, wrappedKey }: WrappedKey): KeyObject {
    return createSecretKey(decryptWith(this.key(masterVersion), contextOf(place, masterVersion), wrappedKey));
  }

  private key(version: number): KeyObject {
    const key = this.keys.get(version);
    if (key === undefined) throw new Error(`MASTER_KEYS lacks version ${version}, which wraps a data key`);
    return key;
  }
}

function contextOf(place: readonly string[], version: number): string {
  return JSON.stringify([...place, version]);
}
