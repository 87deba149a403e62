import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../../kernel/actor.js';
import { ApiProblems } from '../../../platform/http/api-problems.decorator.js';
import { ApiCreated, ApiVersioned, setLocation } from '../../../platform/http/api-responses.js';
import { CurrentActor } from '../../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../../platform/http/cursors.js';
import { IfMatch, setEtag } from '../../../platform/http/etag.js';
import { ApiIds, IdParam } from '../../../platform/http/id-param.decorator.js';
import { namedIn } from '../../../platform/http/named-in.js';
import type { Page } from '../../../platform/http/page.dto.js';
import { Scope } from '../../../platform/http/scope.decorator.js';
import type { ChatSession } from './chat-session.entity.js';
import { Idempotent } from '../../../platform/idempotency/idempotency.interceptor.js';
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
  description: 'The `ETag` that was read. 412 when the resource has changed since.',
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
  @ApiOperation({
    operationId: 'listSessions',
    summary: 'List sessions',
    description:
      'The conversations of a project, newest activity first. 404 with the pointer `?project_id`: there is no such project.',
  })
  @ApiOkResponse({ type: ChatSessionPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: ListSessionsQuery): Promise<Page<ChatSessionResponse>> {
    const scope = `sessions ${actor.userId} ${query.project_id} ${query.archived ?? ''} ${query.q ?? ''}`;
    const [lastActiveAt, id] = (this.cursors.position(scope, query) ?? []) as string[];
    const after = lastActiveAt === undefined || id === undefined ? null : { lastActiveAt, id };
    const rows = await namedIn('?project_id', this.sessions.list(actor, query, after));
    return this.cursors.page(scope, query, rows, (row) => [row.lastActiveAt.toISOString(), row.id], presentSession);
  }

  @Scope('chat', 'manage')
  @Idempotent()
  @Post()
  @ApiOperation({
    operationId: 'createSession',
    summary: 'Create a session',
    description:
      'Creates an empty conversation. `sendMessage` without `session_id` does the same on its way. 404 with the pointer `/project_id`: there is no such project.',
  })
  @ApiCreated(ChatSessionResponse, { isVersioned: true })
  @ApiProblems('validation_failed')
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreateSessionRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ChatSessionResponse> {
    const session = await namedIn('/project_id', this.sessions.create(actor, body));
    setLocation(reply, `/chat/sessions/${session.id}`);
    return present(session, reply);
  }

  @Scope('read')
  @Get(':session_id')
  @ApiIds('session_id')
  @ApiOperation({
    operationId: 'getSession',
    summary: 'Get a session',
    description: 'One conversation with its `ETag`, without its messages.',
  })
  @ApiVersioned(ChatSessionResponse)
  async get(
    @CurrentActor() actor: Actor,
    @IdParam('session_id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ChatSessionResponse> {
    return present(await this.sessions.get(actor, id), reply);
  }

  @Scope('manage')
  @Idempotent()
  @Patch(':session_id')
  @ApiIds('session_id')
  @ApiHeader(ifMatchHeader)
  @ApiOperation({
    operationId: 'updateSession',
    summary: 'Change a session',
    description:
      'Renames, archives or pins a conversation, or replaces its metadata. Changes the fields that are sent and no others. With `If-Match`, a session that has changed since is 412 `precondition_failed`.',
  })
  @ApiVersioned(ChatSessionResponse)
  @ApiProblems('precondition_failed', 'validation_failed')
  async update(
    @CurrentActor() actor: Actor,
    @IdParam('session_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
    @Body() body: UpdateSessionRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ChatSessionResponse> {
    return present(await this.sessions.update(actor, id, ifMatch, body), reply);
  }

  @Scope('manage')
  @Idempotent()
  @Delete(':session_id')
  @HttpCode(204)
  @ApiIds('session_id')
  @ApiHeader(ifMatchHeader)
  @ApiOperation({
    operationId: 'deleteSession',
    summary: 'Delete a session',
    description:
      'Deletes the conversation with its messages. A running answer is stopped. With `If-Match`, a session that has changed since is 412 `precondition_failed`. It cannot be undone.',
  })
  @ApiNoContentResponse()
  @ApiProblems('precondition_failed')
  remove(
    @CurrentActor() actor: Actor,
    @IdParam('session_id') id: string,
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
