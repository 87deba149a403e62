import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { OwnedId } from '../../platform/ownership/owned.decorator.js';
import { UsageReportResponse, UsageReportQuery, UsageSums } from './usage.dto.js';
import { type UsageReport as Report, UsageService } from './usage.service.js';

@ApiTags('Usage')
@Controller()
@ApiProblems('unauthenticated', 'validation_failed')
export class UsageController {
  constructor(private readonly usage: UsageService) {}

  @Scope('read')
  @Get('users/me/usage')
  @ApiOperation({
    operationId: 'getMyUsage',
    summary: 'Get the usage of the account',
    description: 'Calls, tokens and costs of all projects, by day, model or project.',
  })
  @ApiOkResponse({ type: UsageReportResponse })
  async mine(@CurrentActor() actor: Actor, @Query() query: UsageReportQuery): Promise<UsageReportResponse> {
    return present(await this.usage.report(actor, null, query, query.group_by));
  }

  @Scope('read')
  @Get('projects/:project_id/usage')
  @ApiOperation({
    operationId: 'getProjectUsage',
    summary: 'Get the usage of a project',
    description: 'Calls, tokens and costs of one project, by day or model.',
  })
  @ApiOkResponse({ type: UsageReportResponse })
  @ApiProblems('not_found')
  async ofProject(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') projectId: string,
    @Query() query: UsageReportQuery,
  ): Promise<UsageReportResponse> {
    return present(await this.usage.report(actor, projectId, query, query.group_by));
  }
}

function present({ from, to, groups, total }: Report): UsageReportResponse {
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    data: groups.map((group) => ({
      day: group.day,
      provider: group.provider,
      model: group.model,
      project_id: group.projectId,
      ...presentSums(group),
    })),
    total: presentSums(total),
  };
}

function presentSums(sum: Report['total']): UsageSums {
  return {
    calls: sum.calls,
    input_tokens: sum.inputTokens,
    cached_input_tokens: sum.cachedInputTokens,
    output_tokens: sum.outputTokens,
    cost_micro_usd: sum.costMicroUsd,
    calls_without_cost: sum.callsWithoutCost,
  };
}
