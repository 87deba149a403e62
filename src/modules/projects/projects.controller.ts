import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { ApiCreated, ApiVersioned, setLocation } from '../../platform/http/api-responses.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IfMatch, setEtag } from '../../platform/http/etag.js';
import { type Page, PageQuery } from '../../platform/http/page.dto.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { Owned, OwnedId } from '../../platform/ownership/owned.decorator.js';
import { CreateProjectRequest, ProjectResponse, ProjectPage, UpdateProjectRequest } from './project.dto.js';
import type { Project } from './project.entity.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
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
  @ApiOperation({
    operationId: 'listProjects',
    summary: 'List projects',
    description: 'The projects of the account, newest first. An API key of one project sees that project only.',
  })
  @ApiOkResponse({ type: ProjectPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: PageQuery): Promise<Page<ProjectResponse>> {
    const scope = `projects ${actor.userId}`;
    const beforeId = this.cursors.textPosition(scope, query);
    const rows = await this.projects.list(actor, beforeId, query.limit);
    return this.cursors.page(scope, query, rows, ({ id }) => [id], presentProject);
  }

  @Scope('manage')
  @Idempotent()
  @Post()
  @ApiOperation({
    operationId: 'createProject',
    summary: 'Create a project',
    description:
      'A project holds prompts, settings and conversations. Settings that are absent get the values that their descriptions name.',
  })
  @ApiCreated(ProjectResponse, { isVersioned: true })
  @ApiProblems('validation_failed')
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreateProjectRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectResponse> {
    const project = await this.projects.create(actor, body);
    setLocation(reply, `/projects/${project.id}`);
    return present(project, reply);
  }

  @Scope('read')
  @Get(':project_id')
  @ApiOperation({
    operationId: 'getProject',
    summary: 'Get a project',
    description: 'One project with its settings and its `ETag`.',
  })
  @ApiVersioned(ProjectResponse)
  @ApiProblems('not_found')
  get(@Owned('project_id') project: Project, @Res({ passthrough: true }) reply: FastifyReply): ProjectResponse {
    return present(project, reply);
  }

  @Scope('manage')
  @Idempotent()
  @Patch(':project_id')
  @ApiOperation({
    operationId: 'updateProject',
    summary: 'Change a project',
    description:
      'Changes the fields that are sent and no others. `params` and `fallbacks` are replaced as a whole. Turns that run keep the settings they began with. With `If-Match`, a project that has changed since is 412 `precondition_failed`. `encrypt_content` cannot be changed.',
  })
  @ApiVersioned(ProjectResponse)
  @ApiProblems('not_found', 'validation_failed')
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
  @Idempotent()
  @Delete(':project_id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteProject',
    summary: 'Delete a project',
    description:
      'Deletes the project with its prompts, sessions, messages and keys. Running answers are stopped. With `If-Match`, a project that has changed since is 412 `precondition_failed`. It cannot be undone.',
  })
  @ApiNoContentResponse()
  @ApiProblems('not_found')
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
