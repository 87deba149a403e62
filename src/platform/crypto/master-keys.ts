import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { decryptWith, encryptWith } from './aes-gcm.js';
import { CryptoConfig } from './crypto.config.js';
import { parseMasterKeys } from './parse-master-keys.js';

/** A data key as it is stored: encrypted with the master key of that version. */
export interface WrappedKey {
  readonly masterVersion: number;
  readonly wrappedKey: Buffer;
}

/** The master keys. They never leave the settings, and encrypt data keys and nothing else. */
@Injectable()
export class MasterKeys {
  /** The version that encrypts new data keys: the first of `MASTER_KEYS`. */
  readonly version: number;
  private readonly keys: ReadonlyMap<number, KeyObject>;

  constructor({ masterKeys }: CryptoConfig) {
    const keys = parseMasterKeys(masterKeys ?? '');
    const [version] = keys?.keys() ?? [];
    if (keys === null || version === undefined) throw new Error('MASTER_KEYS is not set');
    this.keys = keys;
    this.version = version;
  }

  /** @param place the table and the ids of the row of the key; decryption needs the same place */
  wrap(place: readonly string[], dataKey: KeyObject): WrappedKey {
    const { version } = this;
    const wrappedKey = encryptWith(this.key(version), contextOf(place, version), dataKey.export());
    return { masterVersion: version, wrappedKey };
  }

  /** Throws when `MASTER_KEYS` lacks the version, or when the key was encrypted for another row. */
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
