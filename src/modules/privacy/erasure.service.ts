import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { isLockTimeout } from '../../platform/database/pg-errors.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Revocations } from '../../platform/revocations/revocations.js';
import { Reauthentication } from '../auth/public/reauthentication.js';
import { type ErasureReceipt, ErasureReceipts } from './erasure-receipts.js';
import { ErasureRepository } from './erasure.repository.js';
import type { DeleteMeRequest } from './privacy.dto.js';

/** The pauses in milliseconds between tries while other requests use the account. */
const RETRY_MS = [50, 100, 200, 400, 800, 1600];

@Injectable()
export class ErasureService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly erasures: ErasureRepository,
    private readonly reauthentication: Reauthentication,
    private readonly revocations: Revocations,
    private readonly audit: AuditLog,
    private readonly receipts: ErasureReceipts,
    private readonly clock: Clock,
  ) {}

  /**
   * Deletes the account with all its data in one transaction, and returns the id of the receipt. It requires everything
   * that a sign-in requires, so a stolen token is not enough to delete an account.
   */
  async eraseMe(actor: Actor, { password, code }: DeleteMeRequest): Promise<string> {
    await this.reauthentication.require(actor, password, code);
    for (let tries = 0; ; tries++) {
      try {
        return await this.unitOfWork.run(actor, () => this.erase(actor));
      } catch (error) {
        const delayMs = RETRY_MS[tries];
        if (!isLockTimeout(error)) throw error;
        if (delayMs === undefined) throw new AppError('overloaded', { retryAfterSeconds: 5, cause: error });
        await sleep(delayMs);
      }
    }
  }

  /** Returns a receipt, and whether this server wrote exactly this receipt. */
  async getReceipt(id: string): Promise<{ receipt: ErasureReceipt; isAuthentic: boolean }> {
    // A receipt has no tenant, but a unit of work needs one. A random id has no access to any user's rows.
    const receipt = await this.unitOfWork.run({ userId: newId() }, () => this.erasures.find(id));
    if (receipt === null) throw new AppError('not_found');
    return { receipt, isAuthentic: this.receipts.isAuthentic(receipt) };
  }

  private async erase(actor: Actor): Promise<string> {
    const { userId } = actor;
    if (!(await this.erasures.lock(userId))) throw new AppError('unauthenticated');
    const counts = await this.erasures.count(userId);
    await this.erasures.remove(userId);
    await this.revocations.revoke(actor, [userId]);
    const id = newId();
    const { seq, hash } = await this.audit.record(actor, 'account.deleted', { subjectId: id });
    const facts = { id, erasedAt: new Date(this.clock.nowMs()), counts, auditSeq: seq, auditHash: hash };
    await this.erasures.insert(this.receipts.sign(userId, facts));
    return id;
  }
}
