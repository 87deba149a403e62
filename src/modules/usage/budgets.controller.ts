import { Body, Controller, Get, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Scope } from '../../platform/http/scope.decorator.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
import { OwnedId } from '../../platform/ownership/owned.decorator.js';
import { BudgetsService } from './budgets.service.js';
import { Budget, presentBudget, SetBudgetRequest, toLimits } from './public/budget.dto.js';

@ApiTags('Usage')
@Controller()
@ApiProblems('unauthenticated')
export class BudgetsController {
  constructor(private readonly budgets: BudgetsService) {}

  @Scope('read')
  @Get('users/me/budget')
  @ApiOperation({
    operationId: 'getMyBudget',
    summary: 'Get the budget of the account',
    description: 'The limits of all projects together, and what has been spent.',
  })
  @ApiOkResponse({ type: Budget })
  async getMine(@CurrentActor() actor: Actor): Promise<Budget> {
    return presentBudget(await this.budgets.get(actor, null));
  }

  @Scope('manage')
  @Idempotent()
  @Put('users/me/budget')
  @ApiOperation({
    operationId: 'setMyBudget',
    summary: 'Set the budget of the account',
    description:
      'Limits what all projects together can spend. Takes effect with the next turn: a turn that could exceed a limit is 402 `quota_exceeded`, and a model without a known price is 422 `price_unknown`.',
  })
  @ApiOkResponse({ type: Budget })
  @ApiProblems('validation_failed')
  async putMine(@CurrentActor() actor: Actor, @Body() body: SetBudgetRequest): Promise<Budget> {
    return presentBudget(await this.budgets.put(actor, null, toLimits(body)));
  }

  @Scope('read')
  @Get('projects/:project_id/budget')
  @ApiOperation({
    operationId: 'getProjectBudget',
    summary: 'Get the budget of a project',
    description: 'The limits of one project, and what has been spent.',
  })
  @ApiOkResponse({ type: Budget })
  @ApiProblems('not_found')
  async getOfProject(@CurrentActor() actor: Actor, @OwnedId('project_id') projectId: string): Promise<Budget> {
    return presentBudget(await this.budgets.get(actor, projectId));
  }

  @Scope('manage')
  @Idempotent()
  @Put('projects/:project_id/budget')
  @ApiOperation({
    operationId: 'setProjectBudget',
    summary: 'Set the budget of a project',
    description:
      'Limits what one project can spend. Takes effect with the next turn: a turn that could exceed a limit is 402 `quota_exceeded`, and a model without a known price is 422 `price_unknown`.',
  })
  @ApiOkResponse({ type: Budget })
  @ApiProblems('not_found', 'validation_failed')
  async putOfProject(
    @CurrentActor() actor: Actor,
    @OwnedId('project_id') projectId: string,
    @Body() body: SetBudgetRequest,
  ): Promise<Budget> {
    return presentBudget(await this.budgets.put(actor, projectId, toLimits(body)));
  }
}
