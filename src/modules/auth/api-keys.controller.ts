import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IdParam } from '../../platform/http/id-param.decorator.js';
import { type Page, PageQuery } from '../../platform/http/page.dto.js';
import { ShownOnce } from '../../platform/idempotency/idempotency.interceptor.js';
import { ApiKeyResponse, ApiKeyPage, CreateApiKeyRequest, NewApiKeyResponse } from './api-key.dto.js';
import type { ApiKey } from './api-key.entity.js';
import { ApiKeysService } from './api-keys.service.js';

@ApiTags('Auth')
@Controller('auth/api-keys')
@ApiProblems('unauthenticated')
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly cursors: Cursors,
  ) {}

  @Post()
  @ShownOnce('key')
  @ApiOperation({ operationId: 'createApiKey', summary: 'Make an API key; it is shown this once' })
  @ApiCreatedResponse({ type: NewApiKeyResponse })
  @ApiProblems('not_found', 'validation_failed')
  async create(@CurrentActor() actor: Actor, @Body() body: CreateApiKeyRequest): Promise<NewApiKeyResponse> {
    const { row, key } = await this.keys.create(actor, body);
    return { ...presentApiKey(row), key };
  }

  @Get()
  @ApiOperation({ operationId: 'listApiKeys', summary: 'API keys, newest first' })
  @ApiOkResponse({ type: ApiKeyPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: PageQuery): Promise<Page<ApiKeyResponse>> {
    const scope = `api-keys ${actor.userId}`;
    const beforeId = (this.cursors.position(scope, query)?.[0] ?? null) as string | null;
    const rows = await this.keys.list(actor, beforeId, query.limit);
    return this.cursors.page(scope, query, rows, ({ id }) => [id], presentApiKey);
  }

  @Delete(':api_key_id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteApiKey', summary: 'Revoke an API key' })
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
