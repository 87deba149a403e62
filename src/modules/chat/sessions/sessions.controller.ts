import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../../kernel/actor.js';
import { ApiProblems } from '../../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../../platform/http/cursors.js';
import { IfMatch, setEtag } from '../../../platform/http/etag.js';
import type { Page } from '../../../platform/http/page.dto.js';
import { Scope } from '../../../platform/http/scope.decorator.js';
import { Owned, OwnedId } from '../../../platform/ownership/owned.decorator.js';
import type { ChatSession } from './chat-session.entity.js';
import {
  ChatSessionResponse,
  ChatSessionPage,
  CreateSessionRequest,
  ListSessionsQuery,
  UpdateSessionRequest,
} from './session.dto.js';
import { SessionsService } from './sessions.service.js';

const ifMatchHeader = {
  name: 'If-Match',
  required: false,
  description: 'The ETag that was read; 412 when it has changed since.',
};

@ApiTags('Chat')
@Controller('chat/sessions')
@ApiProblems('unauthenticated', 'not_found')
export class SessionsController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly cursors: Cursors,
  ) {}

  @Scope('read')
  @Get()
  @ApiOperation({ operationId: 'listSessions', summary: 'Sessions of a project, newest activity first' })
  @ApiOkResponse({ type: ChatSessionPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: ListSessionsQuery): Promise<Page<ChatSessionResponse>> {
    const scope = `sessions ${actor.userId} ${query.project_id} ${query.archived ?? ''} ${query.q ?? ''}`;
    const [lastActiveAt, id] = (this.cursors.position(scope, query) ?? []) as string[];
    const after = lastActiveAt === undefined || id === undefined ? null : { lastActiveAt, id };
    const rows = await this.sessions.list(actor, query, after);
    return this.cursors.page(scope, query, rows, (row) => [row.lastActiveAt.toISOString(), row.id], presentSession);
  }

  @Scope('chat', 'manage')
  @Post()
  @ApiOperation({ operationId: 'createSession', summary: 'Make an empty session' })
  @ApiCreatedResponse({ type: ChatSessionResponse })
  @ApiProblems('validation_failed')
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreateSessionRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ChatSessionResponse> {
    return present(await this.sessions.create(actor, body), reply);
  }

  @Scope('read')
  @Get(':session_id')
  @ApiOperation({ operationId: 'getSession', summary: 'One session' })
  @ApiOkResponse({ type: ChatSessionResponse })
  get(@Owned('session_id') session: ChatSession, @Res({ passthrough: true }) reply: FastifyReply): ChatSessionResponse {
    return present(session, reply);
  }

  @Scope('manage')
  @Patch(':session_id')
  @ApiHeader(ifMatchHeader)
  @ApiOperation({ operationId: 'updateSession', summary: 'Rename, archive, pin' })
  @ApiOkResponse({ type: ChatSessionResponse })
  @ApiProblems('precondition_failed', 'validation_failed')
  async update(
    @CurrentActor() actor: Actor,
    @OwnedId('session_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
    @Body() body: UpdateSessionRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ChatSessionResponse> {
    return present(await this.sessions.update(actor, id, ifMatch, body), reply);
  }

  @Scope('manage')
  @Delete(':session_id')
  @HttpCode(204)
  @ApiHeader(ifMatchHeader)
  @ApiOperation({ operationId: 'deleteSession', summary: 'Delete a session with its messages' })
  @ApiNoContentResponse()
  @ApiProblems('precondition_failed')
  remove(
    @CurrentActor() actor: Actor,
    @OwnedId('session_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
  ): Promise<void> {
    return this.sessions.remove(actor, id, ifMatch);
  }
}

function present(session: ChatSession, reply: FastifyReply): ChatSessionResponse {
  setEtag(reply, session);
  return presentSession(session);
}

function presentSession(session: ChatSession): ChatSessionResponse {
  return {
    id: session.id,
    project_id: session.projectId,
    title: session.title,
    archived: session.archivedAt !== null,
    pinned: session.pinnedAt !== null,
    metadata: session.metadata,
    created_at: session.createdAt.toISOString(),
    last_active_at: session.lastActiveAt.toISOString(),
  };
}
