import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { DataKeysRepository } from './data-keys.repository.js';
import { KeyMemory } from './key-memory.js';
import { MasterKeys } from './master-keys.js';
import { decryptWith, encryptWith } from './aes-gcm.js';

/** Where a secret is stored. A ciphertext made for one place cannot be decrypted for another. */
export interface SecretPlace {
  readonly table: string;
  readonly column: string;
  /** The ids of the row, without the user id. */
  readonly ids: readonly string[];
}

/**
 * Encrypts the secrets of users for the database: each with the data key of its user, which a master key of the settings
 * encrypts. A stolen database alone reveals nothing. Without the data key of a user, the secrets of that user cannot be
 * decrypted.
 */
@Injectable()
export class Envelope {
  private readonly memory: KeyMemory<KeyObject>;

  constructor(
    private readonly masters: MasterKeys,
    private readonly dataKeys: DataKeysRepository,
    private readonly unitOfWork: UnitOfWork,
    clock: Clock,
  ) {
    this.memory = new KeyMemory(clock);
  }

  /** Encrypts for one place. Runs in the running unit of work, or in its own. Creates the user's key if it is missing. */
  async encrypt(userId: string, place: SecretPlace, plaintext: string): Promise<Buffer> {
    return encryptWith(await this.keyOf(userId), contextOf(userId, place), Buffer.from(plaintext));
  }

  /**
   * Decrypts what `encrypt` returned for the same user and place; throws for any other. Costs no query while the user's key
   * is cached; otherwise one, in the running unit of work or its own.
   */
  async decrypt(userId: string, place: SecretPlace, encrypted: Buffer): Promise<string> {
    const key = await this.keyOf(userId);
    try {
      return decryptWith(key, contextOf(userId, place), encrypted).toString();
    } catch (error) {
      throw new Error(`${place.table}.${place.column} cannot be decrypted by the key of its user`, { cause: error });
    }
  }

  private async keyOf(userId: string): Promise<KeyObject> {
    const known = this.memory.find(userId);
    if (known !== undefined) return known;
    return this.unitOfWork.join({ userId }, async () => {
      const key = await this.findOrMake(userId);
      this.unitOfWork.afterCommit(() => this.memory.remember(userId, key));
      return key;
    });
  }

  private async findOrMake(userId: string): Promise<KeyObject> {
    const known = await this.dataKeys.find(userId);
    if (known !== null) return this.masters.unwrap(keyPlace(userId), known);
    await this.dataKeys.insertOnce(userId, this.masters.wrap(keyPlace(userId), createSecretKey(randomBytes(32))));
    const made = await this.dataKeys.find(userId);
    if (made === null) throw new Error('a data key is missing right after it was made');
    return this.masters.unwrap(keyPlace(userId), made);
  }
}

/** Names a place to the cipher: a ciphertext made for one place cannot be decrypted for another. */
export function contextOf(userId: string, { table, column, ids }: SecretPlace): string {
  return JSON.stringify([table, column, userId, ...ids]);
}

export function keyPlace(userId: string): readonly string[] {
  return ['data_keys', userId];
}
