import { Body, Controller, Delete, Get, HttpCode, Put, Req, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Idempotent, OwnIdempotency } from '../../platform/idempotency/idempotency.interceptor.js';
import { IdempotentWrites } from '../../platform/idempotency/idempotent-writes.js';
import { OwnedId } from '../../platform/ownership/owned.decorator.js';
import { ProviderKeyResponse, SetProviderKeyRequest } from './provider-key.dto.js';
import type { ProviderKey } from './provider-key.entity.js';
import { ProviderKeysService } from './provider-keys.service.js';

@ApiTags('Projects')
@Controller('projects/:project_id/provider-key')
@ApiProblems('unauthenticated', 'not_found')
export class ProviderKeysController {
  constructor(
    private readonly keys: ProviderKeysService,
    private readonly writes: IdempotentWrites,
  ) {}

  @Put()
  @OwnIdempotency()
  @ApiOperation({
    operationId: 'setProviderKey',
    summary: 'Set the provider key of a project',
    description:
      'Turns of the project use this key from now on, and the project pays for them at its provider. Replaces an earlier key. The key is stored encrypted and never shown again. An address that this server does not call is 422.',
  })
  @ApiOkResponse({ type: ProviderKeyResponse })
  @ApiProblems('validation_failed', 'rate_limited')
  set(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') projectId: string,
    @Body() body: SetProviderKeyRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProviderKeyResponse> {
    return this.writes.answer(
      { actor, request, reply },
      {
        before: () => this.keys.requireAddress(actor, body),
        write: async () => present(await this.keys.set(actor, projectId, body)),
      },
    );
  }

  @Get()
  @ApiOperation({
    operationId: 'getProviderKey',
    summary: 'Get the provider key of a project',
    description: 'Which provider the key is for, and its last four characters. 404: the project has no key of its own.',
  })
  @ApiOkResponse({ type: ProviderKeyResponse })
  async get(@CurrentActor() actor: Actor, @OwnedId('project_id') projectId: string): Promise<ProviderKeyResponse> {
    return present(await this.keys.get(actor, projectId));
  }

  @Idempotent()
  @Delete()
  @HttpCode(204)
  @ApiOperation({
    operationId: 'removeProviderKey',
    summary: 'Remove the provider key of a project',
    description: 'Turns of the project use the provider of this server again.',
  })
  @ApiNoContentResponse()
  remove(@CurrentActor() actor: Actor, @OwnedId('project_id') projectId: string): Promise<void> {
    return this.keys.remove(actor, projectId);
  }
}

function present({ provider, baseUrl, hint, createdAt }: ProviderKey): ProviderKeyResponse {
  return { provider, base_url: baseUrl, hint, created_at: createdAt.toISOString() };
}
