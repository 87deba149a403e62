import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Revocations } from '../../platform/revocations/revocations.js';
import type { SignIn } from './sign-in.entity.js';
import { SignInsRepository } from './sign-ins.repository.js';

/** The sign-ins of a user, one per device. */
@Injectable()
export class SignInsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly signIns: SignInsRepository,
    private readonly revocations: Revocations,
    private readonly audit: AuditLog,
  ) {}

  /** Active sign-ins, newest first. Reads one row more than `limit` when there is a next page. */
  list(actor: Actor, beforeId: string | null, limit: number): Promise<SignIn[]> {
    return this.unitOfWork.run(actor, () => this.signIns.list(actor.userId, beforeId, limit + 1));
  }

  async remove(actor: Actor, id: string): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      if (!(await this.end(actor.userId, id))) throw new AppError('not_found');
      await this.audit.record(actor, 'sign_in.ended', { subjectId: id });
    });
  }

  /** Ends a sign-in with all its tokens. False when it has ended already. Call it in a unit of work of the user. */
  async end(userId: string, id: string): Promise<boolean> {
    const hasEnded = await this.signIns.revoke(userId, id);
    await this.revocations.revoke({ userId }, [id]);
    return hasEnded;
  }

  /** Ends all sign-ins of the user except `keepId`. Call it in a unit of work of the user. */
  async endOthers(userId: string, keepId: string | null): Promise<void> {
    await this.revocations.revoke({ userId }, await this.signIns.revokeOthers(userId, keepId));
  }
}
