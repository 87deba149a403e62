import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import type { AuditAction } from './audit-actions.js';
import type { ActorKind, AuditEvent, AuditFacts } from './audit-chain.js';
import { type AuditHead, AuditRepository } from './audit.repository.js';

/**
 * The actor, which also names the chain that records the event: the user; an admin who views or changes the user's
 * account; the server (a job, the command line); or a person who is not authenticated, as in a failed sign-in.
 */
export type AuditActor =
  | { readonly userId: string; readonly signInId?: string | null; readonly apiKeyId?: string | null }
  | { readonly userId: string; readonly adminId: string }
  | { readonly userId: string; readonly is: 'system' | 'anonymous' };

/** Records what happens to each account, and who did it. A later change to a record is detectable. */
@Injectable()
export class AuditLog {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly events: AuditRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds an event to the actor's chain, in the user's running unit of work: both commit together or not at all. Call it
   * last: other units of work that record events of the same user wait until this one commits. Facts are small and contain
   * no secret, no address and no text that a person wrote, because they outlive the account.
   * Returns the new end of the chain; a caller that keeps it can detect later that the chain was cut or rewritten.
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

  /** The user's own log, newest first. An extra row beyond `limit` means that there is a next page. */
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
