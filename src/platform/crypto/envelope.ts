import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { DataKeysRepository } from './data-keys.repository.js';
import { KeyMemory } from './key-memory.js';
import { MasterKeys } from './master-keys.js';
import { openWith, sealWith } from './sealed-box.js';

/** Where a secret is stored. What was sealed for one place opens nowhere else. */
export interface SecretPlace {
  readonly table: string;
  readonly column: string;
  /** The ids of the row, without the user's. */
  readonly ids: readonly string[];
}

/**
 * Keeps secrets of users in the database: each is encrypted by the data key of its user, and that one by a master key of
 * the configuration. A stolen database opens nothing; without its data key nothing of a user opens, whoever has the rest.
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

  /** Encrypts for one place of the user's. Part of the running unit of work, or one of its own; may make the user's key. */
  async seal(userId: string, place: SecretPlace, plaintext: string): Promise<Buffer> {
    return sealWith(await this.keyOf(userId), contextOf(userId, place), Buffer.from(plaintext));
  }

  /**
   * What `seal` encrypted for the same user and place; throws otherwise. Costs no query while the user's key is cached,
   * else one, in the running unit of work or one of its own.
   */
  async open(userId: string, place: SecretPlace, sealed: Buffer): Promise<string> {
    const key = await this.keyOf(userId);
    try {
      return openWith(key, contextOf(userId, place), sealed).toString();
    } catch (error) {
      throw new Error(`${place.table}.${place.column} does not open with the key of its user`, { cause: error });
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
    if (made === null) throw new Error('a data key is gone as soon as it was made');
    return this.masters.unwrap(keyPlace(userId), made);
  }
}

/** What names a place to a cipher: what was sealed for one opens for no other. */
export function contextOf(userId: string, { table, column, ids }: SecretPlace): string {
  return JSON.stringify([table, column, userId, ...ids]);
}

export function keyPlace(userId: string): readonly string[] {
  return ['data_keys', userId];
}
