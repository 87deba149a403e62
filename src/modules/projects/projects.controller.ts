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
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IfMatch, setEtag } from '../../platform/http/etag.js';
import { type Page, PageQuery } from '../../platform/http/page.dto.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { Owned, OwnedId } from '../../platform/ownership/owned.decorator.js';
import { CreateProjectRequest, ProjectResponse, ProjectPage, UpdateProjectRequest } from './project.dto.js';
import type { Project } from './project.entity.js';
import { ProjectsService } from './projects.service.js';

@ApiTags('Projects')
@Controller('projects')
@ApiProblems('unauthenticated')
export class ProjectsController {
  constructor(
    private readonly projects: ProjectsService,
    private readonly cursors: Cursors,
  ) {}

  @Scope('read')
  @Get()
  @ApiOperation({ operationId: 'listProjects', summary: 'Projects, newest first' })
  @ApiOkResponse({ type: ProjectPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: PageQuery): Promise<Page<ProjectResponse>> {
    const scope = `projects ${actor.userId}`;
    const beforeId = (this.cursors.position(scope, query)?.[0] ?? null) as string | null;
    const rows = await this.projects.list(actor, beforeId, query.limit);
    return this.cursors.page(scope, query, rows, ({ id }) => [id], presentProject);
  }

  @Scope('manage')
  @Post()
  @ApiOperation({ operationId: 'createProject', summary: 'Make a project' })
  @ApiCreatedResponse({ type: ProjectResponse })
  @ApiProblems('validation_failed')
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreateProjectRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectResponse> {
    return present(await this.projects.create(actor, body), reply);
  }

  @Scope('read')
  @Get(':project_id')
  @ApiOperation({ operationId: 'getProject', summary: 'One project' })
  @ApiOkResponse({ type: ProjectResponse })
  @ApiProblems('not_found')
  get(@Owned('project_id') project: Project, @Res({ passthrough: true }) reply: FastifyReply): ProjectResponse {
    return present(project, reply);
  }

  @Scope('manage')
  @Patch(':project_id')
  @ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'The ETag that was read; 412 when it has changed since.',
  })
  @ApiOperation({ operationId: 'updateProject', summary: 'Change a project' })
  @ApiOkResponse({ type: ProjectResponse })
  @ApiProblems('not_found', 'precondition_failed', 'validation_failed')
  async update(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
    @Body() body: UpdateProjectRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectResponse> {
    return present(await this.projects.update(actor, id, ifMatch, body), reply);
  }

  @Scope('manage')
  @Delete(':project_id')
  @HttpCode(204)
  @ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'The ETag that was read; 412 when it has changed since.',
  })
  @ApiOperation({ operationId: 'deleteProject', summary: 'Delete a project with its prompts, sessions and messages' })
  @ApiNoContentResponse()
  @ApiProblems('not_found', 'precondition_failed')
  remove(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') id: string,
    @IfMatch() ifMatch: readonly number[] | null,
  ): Promise<void> {
    return this.projects.remove(actor, id, ifMatch);
  }
}

function present(project: Project, reply: FastifyReply): ProjectResponse {
  setEtag(reply, project);
  return presentProject(project);
}

function presentProject(project: Project): ProjectResponse {
  return {
    id: project.id,
    name: project.name,
    description: project.description,
    provider: project.provider,
    model: project.model,
    fallbacks: project.fallbacks,
    params: project.params,
    on_conflict: project.onConflict,
    on_crash: project.onCrash,
    retention_days: project.retentionDays,
    requests_per_minute: project.requestsPerMinute,
    tokens_per_minute: project.tokensPerMinute,
    encrypt_content: project.isContentEncrypted,
    context_overflow: project.contextOverflow,
    created_at: project.createdAt.toISOString(),
    updated_at: project.updatedAt.toISOString(),
  };
}
