import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import type { AuditAction } from './audit-actions.js';
import type { ActorKind, AuditEvent, AuditFacts } from './audit-chain.js';
import { type AuditHead, AuditRepository } from './audit.repository.js';

/**
 * Who did it, and in whose chain it is told: the user herself; an admin who looks at or changes her account; the server
 * (a job, the command line); or somebody who has not shown who she is, as at a failed sign-in.
 */
export type AuditActor =
  | { readonly userId: string; readonly signInId?: string | null; readonly apiKeyId?: string | null }
  | { readonly userId: string; readonly adminId: string }
  | { readonly userId: string; readonly is: 'system' | 'anonymous' };

/** What has happened to each account, and by whom. Nothing in it can be changed afterwards without being seen. */
@Injectable()
export class AuditLog {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly events: AuditRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds an event to the actor's chain, in the running unit of work of that user: it commits with what it tells, or not
   * at all. Call it last: from here on others who record something of the same user wait for the commit. Facts are small
   * and hold no secret, no address and nothing that a person wrote, because they outlive the account.
   * The answer is the new end of the chain; who keeps it can tell later whether the chain was cut or rewritten.
   */
  record(
    actor: AuditActor,
    action: AuditAction,
    { subjectId = null, ...facts }: AuditFacts & { readonly subjectId?: string | null } = {},
  ): Promise<AuditHead> {
    const { userId } = actor;
    return this.events.append({
      userId,
      id: newId(),
      at: new Date(this.clock.nowMs()),
      ...author(actor),
      action,
      subjectId,
      facts,
    });
  }

  /** The user's own log, newest first; one row more than `limit` says that there is a next page. */
  list(actor: Pick<Actor, 'userId'>, beforeSeq: number | null, limit: number): Promise<AuditEvent[]> {
    return this.unitOfWork.run(actor, () => this.events.list(actor.userId, beforeSeq, limit + 1));
  }
}

function author(actor: AuditActor): { actorKind: ActorKind; actorId: string | null } {
  if ('is' in actor) return { actorKind: actor.is, actorId: null };
  if ('adminId' in actor) return { actorKind: 'admin', actorId: actor.adminId };
  if (actor.apiKeyId != null) return { actorKind: 'api_key', actorId: actor.apiKeyId };
  return { actorKind: 'user', actorId: actor.signInId ?? null };
}
