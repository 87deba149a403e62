import { Body, Controller, Get, Put, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { IdParam } from '../../platform/http/id-param.decorator.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
import type { MinuteLimits, NamedPlan } from '../limits/public/plans.js';
import {
  AccountLimitsResponse,
  PlanResponse,
  PlanList,
  PutAccountLimitsRequest,
  PutPlanRequest,
} from './admin-limits.dto.js';
import { AdminGuard } from './admin.guard.js';
import { type AccountLimitsRow, AdminService } from './admin.service.js';

@ApiTags('Admin')
@Controller('admin')
@UseGuards(AdminGuard)
@ApiProblems('unauthenticated', 'sign_in_required', 'admin_required')
export class AdminLimitsController {
  constructor(private readonly admin: AdminService) {}

  @Get('plans')
  @ApiOperation({
    operationId: 'listPlans',
    summary: 'List plans',
    description: 'All plans with their limits per minute. The request is recorded in the audit log of the admin.',
  })
  @ApiOkResponse({ type: PlanList })
  async listPlans(@CurrentActor() actor: Actor): Promise<PlanList> {
    return { data: (await this.admin.listPlans(actor)).map(presentPlan) };
  }

  @Idempotent()
  @Put('plans')
  @ApiOperation({
    operationId: 'putPlan',
    summary: 'Create or change a plan',
    description:
      'Replaces the limits of the plan, for all accounts that have it. They take effect within seconds. It is recorded in the audit log of the admin.',
  })
  @ApiOkResponse({ type: PlanResponse })
  @ApiProblems('validation_failed')
  async putPlan(@CurrentActor() actor: Actor, @Body() body: PutPlanRequest): Promise<PlanResponse> {
    return presentPlan(await this.admin.putPlan(actor, { name: body.name, ...toLimits(body) }));
  }

  @Get('users/:user_id/limits')
  @ApiOperation({
    operationId: 'getAccountLimits',
    summary: 'Get the limits of an account',
    description:
      'The plan of an account, the limits that replace those of the plan, and what applies in the end. The request is recorded in the audit logs of the admin and of the user.',
  })
  @ApiOkResponse({ type: AccountLimitsResponse })
  @ApiProblems('not_found')
  async getLimits(@CurrentActor() actor: Actor, @IdParam('user_id') userId: string): Promise<AccountLimitsResponse> {
    return presentLimits(await this.admin.getLimits(actor, userId));
  }

  @Idempotent()
  @Put('users/:user_id/limits')
  @ApiOperation({
    operationId: 'putAccountLimits',
    summary: 'Set the limits of an account',
    description:
      'Replaces the plan and the limits of an account as a whole. A plan that does not exist is 422. It is recorded in the audit logs of the admin and of the user.',
  })
  @ApiOkResponse({ type: AccountLimitsResponse })
  @ApiProblems('not_found', 'validation_failed')
  async putLimits(
    @CurrentActor() actor: Actor,
    @IdParam('user_id') userId: string,
    @Body() body: PutAccountLimitsRequest,
  ): Promise<AccountLimitsResponse> {
    return presentLimits(await this.admin.setLimits(actor, userId, { plan: body.plan ?? null, ...toLimits(body) }));
  }
}

function toLimits({ requests_per_minute: requests, tokens_per_minute: tokens }: PutAccountLimitsRequest): MinuteLimits {
  return { requestsPerMinute: requests ?? null, tokensPerMinute: tokens ?? null };
}

function presentPlan({ name, ...limits }: NamedPlan): PlanResponse {
  return { name, ...present(limits) };
}

function presentLimits({ plan, inForce, ...limits }: AccountLimitsRow): AccountLimitsResponse {
  return { plan, ...present(limits), in_force: presentPlan(inForce) };
}

function present({ requestsPerMinute, tokensPerMinute }: MinuteLimits): Omit<PlanResponse, 'name'> {
  return { requests_per_minute: requestsPerMinute, tokens_per_minute: tokensPerMinute };
}
