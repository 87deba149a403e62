import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { ApiCreated, ApiVersioned, setLocation } from '../../platform/http/api-responses.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IfMatch, setEtag } from '../../platform/http/etag.js';
import { ApiIds, IdParam } from '../../platform/http/id-param.decorator.js';
import { namedIn } from '../../platform/http/named-in.js';
import { type Page, PageQuery } from '../../platform/http/page.dto.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
import {
  CreatePromptRequest,
  CreateProjectPromptRequest,
  ListPromptsQuery,
  OrderPromptsRequest,
  PromptResponse,
  PromptPage,
  UpdatePromptRequest,
} from './prompt.dto.js';
import type { Prompt } from './prompt.entity.js';
import { PromptsService } from './prompts.service.js';

const ifMatchHeader = {
  name: 'If-Match',
  required: false,
  description: 'The `ETag` that was read. 412 when the resource has changed since.',
};

@ApiTags('Prompts')
@Controller()
@ApiProblems('unauthenticated', 'not_found')
export class PromptsController {
  constructor(
    private readonly prompts: PromptsService,
    private readonly cursors: Cursors,
  ) {}

  @Scope('read')
  @Get('projects/:project_id/prompts')
  @ApiIds('project_id')
  @ApiOperation({
    operationId: 'listProjectPrompts',
    summary: 'List the prompts of a project',
    description: 'The system prompts of the project, in the order in which the model reads them.',
  })
  @ApiOkResponse({ type: PromptPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  listOfProject(
    @CurrentActor() actor: Actor,
    @IdParam('project_id') projectId: string,
    @Query() query: PageQuery,
  ): Promise<Page<PromptResponse>> {
    return this.page(actor, projectId, query);
  }

  @Scope('read')
  @Get('prompts')
  @ApiOperation({
    operationId: 'listPrompts',
    summary: 'List prompts',
    description:
      'The system prompts of a project, in the order in which the model reads them. 404 with the pointer `?project_id`: there is no such project.',
  })
  @ApiOkResponse({ type: PromptPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  list(@CurrentActor() actor: Actor, @Query() query: ListPromptsQuery): Promise<Page<PromptResponse>> {
    return namedIn('?project_id', this.page(actor, query.project_id, query));
  }

  @Scope('manage')
  @Idempotent()
  @Post('projects/:project_id/prompts')
  @ApiIds('project_id')
  @ApiOperation({
    operationId: 'createProjectPrompt',
    summary: 'Create a prompt in a project',
    description:
      'Adds a system prompt behind the others. The model reads it from the next turn on. A project can have 100 prompts.',
  })
  @ApiCreated(PromptResponse, { isVersioned: true })
  @ApiProblems('validation_failed')
  async createInProject(
    @CurrentActor() actor: Actor,
    @IdParam('project_id') projectId: string,
    @Body() body: CreateProjectPromptRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PromptResponse> {
    return presentNew(await this.prompts.create(actor, projectId, body), reply);
  }

  @Scope('manage')
  @Idempotent()
  @Post('prompts')
  @ApiOperation({
    operationId: 'createPrompt',
    summary: 'Create a prompt',
    description:
      'Adds a system prompt behind the others of the project in `project_id`. The model reads it from the next turn on. A project can have 100 prompts. 404 with the pointer `/project_id`: there is no such project.',
  })
  @ApiCreated(PromptResponse, { isVersioned: true })
  @ApiProblems('validation_failed')
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreatePromptRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PromptResponse> {
    return presentNew(await namedIn('/project_id', this.prompts.create(actor, body.project_id, body)), reply);
  }

  @Scope('manage')
  @Idempotent()
  @Put('projects/:project_id/prompts/order')
  @ApiIds('project_id')
  @ApiOperation({
    operationId: 'orderPrompts',
    summary: 'Order the prompts of a project',
    description:
      'Puts all prompts of the project in a new order. A list that is not exactly the prompts of the project is 422.',
  })
  @ApiOkResponse({ type: PromptPage })
  @ApiProblems('validation_failed')
  async reorder(
    @CurrentActor() actor: Actor,
    @IdParam('project_id') projectId: string,
    @Body() body: OrderPromptsRequest,
  ): Promise<Page<PromptResponse>> {
    const rows = await this.prompts.reorder(actor, projectId, body.prompt_ids);
    return { data: rows.map(presentPrompt), next_cursor: null };
  }

  @Scope('read')
  @Get('prompts/:prompt_id')
  @ApiIds('prompt_id')
  @ApiOperation({ operationId: 'getPrompt', summary: 'Get a prompt', description: 'One prompt with its `ETag`.' })
  @ApiVersioned(PromptResponse)
  async get(
    @CurrentActor() actor: Actor,
    @IdParam('prompt_id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PromptResponse> {
    return present(await this.prompts.get(actor, id), reply);
  }

  @Scope('manage')
  @Idempotent()
  @Patch('prompts/:prompt_id')
  @ApiIds('prompt_id')
  @ApiHeader(ifMatchHeader)
  @ApiOperation({
    operationId: 'updatePrompt',
    summary: 'Change a prompt',
    description:
      'Changes the fields that are sent and no others, from the next turn on. With `If-Match`, a prompt that has changed since is 412 `precondition_failed`.',
  })
  @ApiVersioned(PromptResponse)
  @ApiProblems('precondition_failed', 'validation_failed')
  async update(
    @CurrentActor() actor: Actor,
    @IdParam('prompt_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
    @Body() body: UpdatePromptRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PromptResponse> {
    return present(await this.prompts.update(actor, id, ifMatch, body), reply);
  }

  @Scope('manage')
  @Idempotent()
  @Delete('prompts/:prompt_id')
  @HttpCode(204)
  @ApiIds('prompt_id')
  @ApiHeader(ifMatchHeader)
  @ApiOperation({
    operationId: 'deletePrompt',
    summary: 'Delete a prompt',
    description:
      'Deletes the prompt. The others keep their order. With `If-Match`, a prompt that has changed since is 412 `precondition_failed`. It cannot be undone.',
  })
  @ApiNoContentResponse()
  @ApiProblems('precondition_failed')
  remove(
    @CurrentActor() actor: Actor,
    @IdParam('prompt_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
  ): Promise<void> {
    return this.prompts.remove(actor, id, ifMatch);
  }

  private async page(actor: Actor, projectId: string, query: PageQuery): Promise<Page<PromptResponse>> {
    const scope = `prompts ${actor.userId} ${projectId}`;
    const after = Number(this.cursors.position(scope, query)?.[0] ?? -1);
    const rows = await this.prompts.list(actor, projectId, after, query.limit);
    return this.cursors.page(scope, query, rows, ({ position }) => [position], presentPrompt);
  }
}

function presentNew(prompt: Prompt, reply: FastifyReply): PromptResponse {
  setLocation(reply, `/prompts/${prompt.id}`);
  return present(prompt, reply);
}

function present(prompt: Prompt, reply: FastifyReply): PromptResponse {
  setEtag(reply, prompt);
  return presentPrompt(prompt);
}

function presentPrompt(prompt: Prompt): PromptResponse {
  return {
    id: prompt.id,
    project_id: prompt.projectId,
    name: prompt.name,
    content: prompt.content,
    position: prompt.position,
    created_at: prompt.createdAt.toISOString(),
    updated_at: prompt.updatedAt.toISOString(),
  };
}
