import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IfMatch, setEtag } from '../../platform/http/etag.js';
import { type Page, PageQuery } from '../../platform/http/page.dto.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { Owned, OwnedId } from '../../platform/ownership/owned.decorator.js';
import {
  CreatePromptByIdRequest,
  CreatePromptRequest,
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
  description: 'The ETag that was read; 412 when it has changed since.',
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
  @ApiOperation({ operationId: 'listProjectPrompts', summary: "A project's prompts, in order" })
  @ApiOkResponse({ type: PromptPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  listOfProject(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') projectId: string,
    @Query() query: PageQuery,
  ): Promise<Page<PromptResponse>> {
    return this.page(actor, projectId, query);
  }

  @Scope('read')
  @Get('prompts')
  @ApiOperation({ operationId: 'listPrompts', summary: "A project's prompts, in order" })
  @ApiOkResponse({ type: PromptPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  list(@CurrentActor() actor: Actor, @Query() query: ListPromptsQuery): Promise<Page<PromptResponse>> {
    return this.page(actor, query.project_id, query);
  }

  @Scope('manage')
  @Post('projects/:project_id/prompts')
  @ApiOperation({ operationId: 'createProjectPrompt', summary: 'Add a prompt as the last one' })
  @ApiCreatedResponse({ type: PromptResponse })
  @ApiProblems('validation_failed')
  async createInProject(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') projectId: string,
    @Body() body: CreatePromptRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PromptResponse> {
    return present(await this.prompts.create(actor, projectId, body), reply);
  }

  @Scope('manage')
  @Post('prompts')
  @ApiOperation({ operationId: 'createPrompt', summary: 'Add a prompt to a project as the last one' })
  @ApiCreatedResponse({ type: PromptResponse })
  @ApiProblems('validation_failed')
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreatePromptByIdRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PromptResponse> {
    return present(await this.prompts.create(actor, body.project_id, body), reply);
  }

  @Scope('manage')
  @Put('projects/:project_id/prompts/order')
  @ApiOperation({ operationId: 'orderPrompts', summary: "Put all of a project's prompts in order" })
  @ApiOkResponse({ type: PromptPage })
  @ApiProblems('validation_failed')
  async reorder(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') projectId: string,
    @Body() body: OrderPromptsRequest,
  ): Promise<Page<PromptResponse>> {
    const rows = await this.prompts.reorder(actor, projectId, body.prompt_ids);
    return { data: rows.map(presentPrompt), next_cursor: null };
  }

  @Scope('read')
  @Get('prompts/:prompt_id')
  @ApiOperation({ operationId: 'getPrompt', summary: 'One prompt' })
  @ApiOkResponse({ type: PromptResponse })
  get(@Owned('prompt_id') prompt: Prompt, @Res({ passthrough: true }) reply: FastifyReply): PromptResponse {
    return present(prompt, reply);
  }

  @Scope('manage')
  @Patch('prompts/:prompt_id')
  @ApiHeader(ifMatchHeader)
  @ApiOperation({ operationId: 'updatePrompt', summary: 'Change a prompt' })
  @ApiOkResponse({ type: PromptResponse })
  @ApiProblems('precondition_failed', 'validation_failed')
  async update(
    @CurrentActor() actor: Actor,
    @OwnedId('prompt_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
    @Body() body: UpdatePromptRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PromptResponse> {
    return present(await this.prompts.update(actor, id, ifMatch, body), reply);
  }

  @Scope('manage')
  @Delete('prompts/:prompt_id')
  @HttpCode(204)
  @ApiHeader(ifMatchHeader)
  @ApiOperation({ operationId: 'deletePrompt', summary: 'Delete a prompt' })
  @ApiNoContentResponse()
  @ApiProblems('precondition_failed')
  remove(
    @CurrentActor() actor: Actor,
    @OwnedId('prompt_id') id: string,
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
