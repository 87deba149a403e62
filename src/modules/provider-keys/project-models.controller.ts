import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { Owned } from '../../platform/ownership/owned.decorator.js';
import { LlmModelPage } from '../llm/public/llm-model.dto.js';
import type { FoundProject } from '../projects/public/project-access.js';
import { ProviderKeysService } from './provider-keys.service.js';

@ApiTags('Projects')
@Controller('projects/:project_id/models')
export class ProjectModelsController {
  constructor(private readonly keys: ProviderKeysService) {}

  @Scope('read', 'chat')
  @Get()
  @ApiOperation({
    operationId: 'listProjectModels',
    summary: 'List the models of a project',
    description:
      'The models that the provider of the project offers. The server asks the provider, with the key of the project when it has one.',
  })
  @ApiOkResponse({ type: LlmModelPage })
  @ApiProblems(
    'unauthenticated',
    'not_found',
    'provider_not_configured',
    'provider_address_refused',
    'provider_unreachable',
    'provider_key_refused',
    'project_key_refused',
    'provider_rejected',
    'provider_bad_response',
    'provider_disconnected',
    'provider_error',
    'provider_credit_exhausted',
    'project_credit_exhausted',
    'provider_rate_limited',
    'provider_overloaded',
    'provider_timeout',
  )
  list(@CurrentActor() actor: Actor, @Owned('project_id') project: FoundProject): Promise<LlmModelPage> {
    return this.keys.listModels(actor, project);
  }
}
