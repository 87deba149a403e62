import { Body, Controller, Delete, Get, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { ApiCreated, setLocation } from '../../platform/http/api-responses.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IdParam } from '../../platform/http/id-param.decorator.js';
import { namedIn } from '../../platform/http/named-in.js';
import { type Page, PageQuery } from '../../platform/http/page.dto.js';
import { ApiKeyResponse, ApiKeyPage, CreateApiKeyRequest, ApiKeyWithSecretResponse } from './api-key.dto.js';
import type { ApiKey } from './api-key.entity.js';
import { Idempotent, ShownOnce } from '../../platform/idempotency/idempotency.interceptor.js';
import { ApiKeysService } from './api-keys.service.js';

@ApiTags('Auth')
@Controller('auth/api-keys')
@ApiProblems('unauthenticated')
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly cursors: Cursors,
  ) {}

  @Idempotent()
  @Post()
  @ShownOnce('key')
  @ApiOperation({
    operationId: 'createApiKey',
    summary: 'Create an API key',
    description:
      'Creates a key with the scopes `chat`, `read` and `manage` as needed, for all projects or for one. The key is shown only in this response. 404 with the pointer `/project_id`: there is no such project.',
  })
  @ApiCreated(ApiKeyWithSecretResponse)
  @ApiProblems('not_found', 'validation_failed')
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreateApiKeyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ApiKeyWithSecretResponse> {
    const { row, key } = await namedIn('/project_id', this.keys.create(actor, body));
    setLocation(reply, `/auth/api-keys/${row.id}`);
    return { ...presentApiKey(row), key };
  }

  @Get()
  @ApiOperation({
    operationId: 'listApiKeys',
    summary: 'List API keys',
    description: 'The API keys of the account, newest first, without the keys themselves.',
  })
  @ApiOkResponse({ type: ApiKeyPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: PageQuery): Promise<Page<ApiKeyResponse>> {
    const scope = `api-keys ${actor.userId}`;
    const beforeId = this.cursors.textPosition(scope, query);
    const rows = await this.keys.list(actor, beforeId, query.limit);
    return this.cursors.page(scope, query, rows, ({ id }) => [id], presentApiKey);
  }

  @Idempotent()
  @Delete(':api_key_id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteApiKey',
    summary: 'Revoke an API key',
    description: 'The key stops working on every instance within seconds.',
  })
  @ApiNoContentResponse()
  @ApiProblems('not_found')
  remove(@CurrentActor() actor: Actor, @IdParam('api_key_id') id: string): Promise<void> {
    return this.keys.remove(actor, id);
  }
}

function presentApiKey(key: ApiKey): ApiKeyResponse {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    project_id: key.projectId,
    requests_per_minute: key.requestsPerMinute,
    tokens_per_minute: key.tokensPerMinute,
    created_at: key.createdAt.toISOString(),
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    expires_at: key.expiresAt?.toISOString() ?? null,
  };
}
