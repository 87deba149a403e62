import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit/audit-log.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { keyPlace as keyPlaceOfProject } from './content-keys.js';
import { type ContentOwner, ContentKeysRepository } from './content-keys.repository.js';
import { DataKeysRepository } from './data-keys.repository.js';
import { keyPlace as keyPlaceOfUser } from './envelope.js';
import { MasterKeys } from './master-keys.js';

const BATCH = 200;
const NO_ID = '00000000-0000-0000-0000-000000000000';
const BEFORE_ALL: ContentOwner = { userId: NO_ID, projectId: NO_ID };

export interface RotationResult {
  /** The newest version of the master key. */
  readonly version: number;
  /** Keys that this run re-encrypted with the newest master key. */
  readonly wrapped: number;
  /** Keys that could not be decrypted, with the reasons, each listed once. */
  readonly failed: number;
  readonly reasons: readonly string[];
}

/**
 * Re-encrypts all keys of users and projects with the newest master key while the servers run, in one short transaction per
 * key. The keys themselves do not change, so the data that they encrypt is not touched. A run that was interrupted can be
 * repeated: it does not list keys that are done.
 */
@Injectable()
export class DataKeyRotation {
  constructor(
    private readonly masters: MasterKeys,
    private readonly dataKeys: DataKeysRepository,
    private readonly contentKeys: ContentKeysRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly audit: AuditLog,
  ) {}

  async run(): Promise<RotationResult> {
    const { version } = this.masters;
    const sum = { wrapped: 0, failed: 0, reasons: new Set<string>() };
    await this.each(
      async (after) =>
        (await this.dataKeys.listOutdated(version, after.userId, BATCH)).map((userId) => ({ ...BEFORE_ALL, userId })),
      (owner) => this.rewrapOfUser(owner),
      sum,
    );
    await this.each(
      (owner) => this.contentKeys.listOutdated(version, owner, BATCH),
      (owner) => this.rewrapOfProject(owner),
      sum,
    );
    return { version, ...sum, reasons: [...sum.reasons] };
  }

  private async each(
    list: (after: ContentOwner) => Promise<ContentOwner[]>,
    rewrap: (owner: ContentOwner) => Promise<boolean>,
    sum: { wrapped: number; failed: number; reasons: Set<string> },
  ): Promise<void> {
    let owners = [BEFORE_ALL];
    do {
      owners = await list(owners.at(-1) ?? BEFORE_ALL);
      for (const owner of owners) {
        try {
          if (await rewrap(owner)) sum.wrapped++;
        } catch (error) {
          sum.failed++;
          sum.reasons.add(error instanceof Error ? error.message : String(error));
        }
      }
    } while (owners.length === BATCH);
  }

  /** False when the account has been deleted, or another process has already re-encrypted the key. */
  private rewrapOfUser({ userId }: ContentOwner): Promise<boolean> {
    return this.unitOfWork.run({ userId }, async () => {
      const row = await this.dataKeys.findForUpdate(userId);
      if (row === null || row.masterVersion === this.masters.version) return false;
      const place = keyPlaceOfUser(userId);
      await this.dataKeys.update(userId, this.masters.wrap(place, this.masters.unwrap(place, row)));
      await this.audit.record({ userId, is: 'system' }, 'account.data_key_rotated', { version: this.masters.version });
      return true;
    });
  }

  /** Like `rewrapOfUser`, for a project. */
  private rewrapOfProject(owner: ContentOwner): Promise<boolean> {
    const { userId, projectId } = owner;
    return this.unitOfWork.run({ userId }, async () => {
      const row = await this.contentKeys.findForUpdate(owner);
      if (row === null || row.masterVersion === this.masters.version) return false;
      const place = keyPlaceOfProject(owner);
      await this.contentKeys.update(owner, this.masters.wrap(place, this.masters.unwrap(place, row)));
      const { version } = this.masters;
      await this.audit.record({ userId, is: 'system' }, 'project.content_key_rotated', {
        subjectId: projectId,
        version,
      });
      return true;
    });
  }
}
