import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../http/api-problems.decorator.js';
import { CurrentActor } from '../http/current-actor.decorator.js';
import { Cursors } from '../http/cursors.js';
import { type Page, PageQuery } from '../http/page.dto.js';
import type { AuditEvent } from './audit-chain.js';
import { AuditEventResponse, AuditEventPage } from './audit-event.dto.js';
import { AuditLog } from './audit-log.js';

@ApiTags('Users')
@Controller('users/me/audit-events')
export class AuditEventsController {
  constructor(
    private readonly log: AuditLog,
    private readonly cursors: Cursors,
  ) {}

  @Get()
  @ApiOperation({
    operationId: 'listAuditEvents',
    summary: 'List audit events',
    description: 'What has happened to the account, newest first. Each event carries a hash over all events before it.',
  })
  @ApiOkResponse({ type: AuditEventPage })
  @ApiProblems('unauthenticated', 'validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: PageQuery): Promise<Page<AuditEventResponse>> {
    const scope = `audit ${actor.userId}`;
    const before = this.cursors.position(scope, query)?.[0] ?? null;
    const rows = await this.log.list(actor, before as number | null, query.limit);
    return this.cursors.page(scope, query, rows, ({ seq }) => [seq], present);
  }
}

/** The user does not see which admin acted; the logs of the admins show it. */
function present(event: AuditEvent): AuditEventResponse {
  const { id, seq, action, actorKind, actorId, subjectId, facts, hash, at } = event;
  return {
    id,
    seq,
    action,
    actor: { type: actorKind, id: actorKind === 'admin' ? null : actorId },
    subject_id: subjectId,
    facts,
    hash: hash.toString('hex'),
    created_at: at.toISOString(),
  };
}
