import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { TurnStore } from '../storage/turn-store.js';
import type { StreamMessageRequest } from './turn.dto.js';

/**
 * Finds out which id in a posted message does not exist. OPEN checks all ids at once, so this class is needed only
 * after OPEN has refused. An id of another user counts as not existing.
 */
@Injectable()
export class MissingIds {
  constructor(
    private readonly sessions: SessionsService,
    private readonly store: TurnStore,
  ) {}

  /** Returns the error for the response: a `not_found` that names the field, or any other `error` unchanged. */
  async explain(error: unknown, actor: Actor, request: StreamMessageRequest): Promise<unknown> {
    if (!(error instanceof AppError) || error.code !== 'not_found') return error;
    return AppError.notFound(await this.missingOf(actor, request));
  }

  private async missingOf(
    actor: Actor,
    { session_id: sessionId, parent_id: parentId }: StreamMessageRequest,
  ): Promise<string> {
    if (sessionId == null) return '/project_id';
    if ((await this.sessions.find(actor, sessionId)) === null) return '/session_id';
    const parent = parentId == null ? null : await this.store.findMessage(actor, parentId);
    return parentId == null || parent?.sessionId === sessionId ? '/project_id' : '/parent_id';
  }
}
