import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit/audit-log.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { DataKeysRepository } from './data-keys.repository.js';
import { MasterKeys } from './master-keys.js';

const BATCH = 200;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

export interface RotationResult {
  /** The newest version of the master key. */
  readonly version: number;
  /** Data keys that the newest master key wraps now and did not before. */
  readonly wrapped: number;
  /** Data keys that could not be opened, with what stood against it, each reason once. */
  readonly failed: number;
  readonly reasons: readonly string[];
}

/**
 * Wraps all data keys by the newest master key, one short transaction a user, while everything runs. The keys themselves
 * stay, so nothing they encrypt is touched and nobody notices. Stopped in the middle it goes on where it was: what is done
 * is not found again.
 */
@Injectable()
export class DataKeyRotation {
  constructor(
    private readonly masters: MasterKeys,
    private readonly dataKeys: DataKeysRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly audit: AuditLog,
  ) {}

  async run(): Promise<RotationResult> {
    const { version } = this.masters;
    const [reasons, found] = [new Set<string>(), { wrapped: 0, failed: 0 }];
    let after = BEFORE_ALL;
    for (;;) {
      const userIds = await this.dataKeys.findOutdated(version, after, BATCH);
      for (const userId of userIds) {
        try {
          if (await this.rewrap(userId)) found.wrapped++;
        } catch (error) {
          found.failed++;
          reasons.add((error as Error).message);
        }
      }
      if (userIds.length < BATCH) return { version, ...found, reasons: [...reasons] };
      after = userIds.at(-1) as string;
    }
  }

  /** False when the account has gone, or somebody else was faster. */
  private rewrap(userId: string): Promise<boolean> {
    return this.unitOfWork.run({ userId }, async () => {
      const row = await this.dataKeys.findLocked(userId);
      if (row === null || row.masterVersion === this.masters.version) return false;
      await this.dataKeys.update(userId, this.masters.wrap(userId, this.masters.unwrap(userId, row)));
      await this.audit.record({ userId, is: 'system' }, 'account.data_key_rotated', { version: this.masters.version });
      return true;
    });
  }
}
