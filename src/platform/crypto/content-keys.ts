import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { type ContentOwner, ContentKeysRepository } from './content-keys.repository.js';
import { contextOf, type SecretPlace } from './envelope.js';
import { KeyMemory } from './key-memory.js';
import { MasterKeys, type WrappedKey } from './master-keys.js';
import { decryptWith, encryptWith } from './aes-gcm.js';

const ID_BYTES = 16;

/** The plaintext: values by the names of the columns that they belong to. */
export type PlainColumns = Readonly<Record<string, unknown>>;

/** The decrypted key of one project's content. Its ciphertexts name the project, so every row says which key decrypts it. */
export class ContentKey {
  constructor(
    readonly owner: ContentOwner,
    private readonly key: KeyObject,
  ) {}

  /** Encrypts for one place, which is a row and the column that stores the result. */
  encrypt(place: SecretPlace, columns: PlainColumns): Buffer {
    const { userId, projectId } = this.owner;
    const box = encryptWith(this.key, contextOf(userId, place), Buffer.from(JSON.stringify(columns)));
    return Buffer.concat([Buffer.from(projectId.replaceAll('-', ''), 'hex'), box]);
  }

  /** Decrypts what `encrypt` returned for the same place; throws for any other. */
  decrypt(place: SecretPlace, encrypted: Buffer): PlainColumns {
    try {
      const text = decryptWith(this.key, contextOf(this.owner.userId, place), encrypted.subarray(ID_BYTES)).toString();
      return JSON.parse(text) as PlainColumns;
    } catch (error) {
      throw new Error(`${place.table}.${place.column} cannot be decrypted by the key of its project`, { cause: error });
    }
  }
}

/** The project whose key encrypted this. */
export function projectOf(encrypted: Buffer): string {
  return encrypted.toString('hex', 0, ID_BYTES).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/**
 * The content keys: one per project, encrypted with a master key of the settings. Without its key, the content of a project
 * cannot be decrypted.
 */
@Injectable()
export class ContentKeys {
  private readonly memory: KeyMemory<ContentKey>;

  constructor(
    private readonly masters: MasterKeys,
    private readonly rows: ContentKeysRepository,
    private readonly unitOfWork: UnitOfWork,
    clock: Clock,
  ) {
    this.memory = new KeyMemory(clock);
  }

  /** Makes the key of a new project, in the unit of work that creates the project. */
  async make(owner: ContentOwner): Promise<void> {
    await this.rows.insert(owner, this.masters.wrap(keyPlace(owner), createSecretKey(randomBytes(32))));
  }

  /** Null when there is none. Costs no query while the key is cached; otherwise one, in the running unit of work or its own. */
  async find(owner: ContentOwner): Promise<ContentKey | null> {
    const id = `${owner.userId} ${owner.projectId}`;
    const known = this.memory.find(id);
    if (known !== undefined) return known;
    return this.unitOfWork.join({ userId: owner.userId }, async () => {
      const row = await this.rows.find(owner);
      if (row === null) return null;
      const key = this.unwrap(row);
      this.unitOfWork.afterCommit(() => this.memory.remember(id, key));
      return key;
    });
  }

  /** Like `find`, but throws when there is no key: everything that it encrypted is erased. */
  async get(owner: ContentOwner): Promise<ContentKey> {
    const key = await this.find(owner);
    if (key === null) throw new Error('the project has no content key');
    return key;
  }

  /** The keys that decrypt all of these, by project. Throws as `get` does. */
  async ofEncrypted(userId: string, encrypted: readonly Buffer[]): Promise<ReadonlyMap<string, ContentKey>> {
    const keys = new Map<string, ContentKey>();
    for (const projectId of new Set(encrypted.map(projectOf))) {
      keys.set(projectId, await this.get({ userId, projectId }));
    }
    return keys;
  }

  unwrap({ userId, projectId, ...wrapped }: ContentOwner & WrappedKey): ContentKey {
    const owner = { userId, projectId };
    return new ContentKey(owner, this.masters.unwrap(keyPlace(owner), wrapped));
  }
}

export function keyPlace({ userId, projectId }: ContentOwner): readonly string[] {
  return ['content_keys', userId, projectId];
}
