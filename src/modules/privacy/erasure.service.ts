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

/** How long the account may be in use by others at every try, in milliseconds between two. */
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
   * Removes the account with everything that belongs to it, all or nothing, and answers with the id of the receipt. It asks
   * for all that a sign-in asks for, because who has found a token must not be able to destroy what it opens.
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

  /** A receipt, and whether this server has written it as it is. */
  async getReceipt(id: string): Promise<{ receipt: ErasureReceipt; isAuthentic: boolean }> {
    // It belongs to nobody; a unit of work needs a tenant, and one that is made up sees nothing of anybody.
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
