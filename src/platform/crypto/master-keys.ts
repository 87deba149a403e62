import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CryptoConfig } from './crypto.config.js';
import { parseMasterKeys } from './parse-master-keys.js';
import { openWith, sealWith } from './sealed-box.js';

/** A data key as it is stored: encrypted by the master key of that version. */
export interface WrappedKey {
  readonly masterVersion: number;
  readonly wrappedKey: Buffer;
}

/** The keys that never leave the configuration. They encrypt data keys and nothing else. */
@Injectable()
export class MasterKeys {
  /** The version that wraps new data keys: the first of `MASTER_KEYS`. */
  readonly version: number;
  private readonly keys: ReadonlyMap<number, KeyObject>;

  constructor({ masterKeys }: CryptoConfig) {
    const keys = parseMasterKeys(masterKeys ?? '');
    if (keys === null) throw new Error('MASTER_KEYS is not set');
    this.keys = keys;
    this.version = keys.keys().next().value as number;
  }

  /** @param place the table and the ids of the row that the key is for; it is unwrapped for the same one only */
  wrap(place: readonly string[], dataKey: KeyObject): WrappedKey {
    const { version } = this;
    const wrappedKey = sealWith(this.key(version), contextOf(place, version), dataKey.export());
    return { masterVersion: version, wrappedKey };
  }

  /** Throws when `MASTER_KEYS` lacks the version, or the key was wrapped for another row. */
  unwrap(place: readonly string[], { masterVersion, wrappedKey }: WrappedKey): KeyObject {
    return createSecretKey(openWith(this.key(masterVersion), contextOf(place, masterVersion), wrappedKey));
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
