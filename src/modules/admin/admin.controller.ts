import { Body, Controller, Get, HttpCode, Post, Put, Query, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IdParam } from '../../platform/http/id-param.decorator.js';
import type { Page } from '../../platform/http/page.dto.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
import { Budget, presentBudget, SetBudgetCapRequest, toCaps } from '../usage/public/budget.dto.js';
import type { AccountRow } from '../users/public/user-administration.js';
import {
  AccountResponse,
  AccountPage,
  AccountUsage,
  AccountUsagePage,
  ListAccountsQuery,
  UsageQuery,
} from './admin.dto.js';
import { AdminGuard } from './admin.guard.js';
import type { UsageRow } from './admin.service.js';
import { AdminService } from './admin.service.js';

const DAY_MS = 86_400_000;

@ApiTags('Admin')
@Controller('admin')
@UseGuards(AdminGuard)
@ApiProblems('unauthenticated', 'sign_in_required', 'admin_required')
export class AdminController {
  constructor(
    private readonly admin: AdminService,
    private readonly cursors: Cursors,
    private readonly clock: Clock,
  ) {}

  @Get('users')
  @ApiOperation({
    operationId: 'listAccounts',
    summary: 'List accounts',
    description: 'All accounts, newest first. The request is recorded in the audit log of the admin.',
  })
  @ApiOkResponse({ type: AccountPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async listUsers(@CurrentActor() actor: Actor, @Query() query: ListAccountsQuery): Promise<Page<AccountResponse>> {
    const emailPrefix = query.email?.trim().toLowerCase() ?? null;
    const isDisabled = query.status === undefined ? null : query.status === 'disabled';
    const scope = `accounts ${isDisabled} ${emailPrefix}`;
    const before = this.cursors.textPosition(scope, query);
    const rows = await this.admin.listUsers(actor, { emailPrefix, isDisabled }, before, query.limit);
    return this.cursors.page(scope, query, rows, ({ id }) => [id], present);
  }

  @Get('users/:user_id')
  @ApiOperation({
    operationId: 'getAccount',
    summary: 'Get an account',
    description: 'One account. The request is recorded in the audit logs of the admin and of the user.',
  })
  @ApiOkResponse({ type: AccountResponse })
  @ApiProblems('not_found')
  async getUser(@CurrentActor() actor: Actor, @IdParam('user_id') userId: string): Promise<AccountResponse> {
    return present(await this.admin.getUser(actor, userId));
  }

  @Idempotent()
  @Post('users/:user_id/disable')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'disableAccount',
    summary: 'Disable an account',
    description:
      'Refuses the account everywhere, with its API keys, and ends all its sign-ins on every instance within seconds. Its data stays. 409 `own_account`: you cannot disable your own account. It is recorded in the audit logs of the admin and of the user.',
  })
  @ApiOkResponse({ type: AccountResponse })
  @ApiProblems('not_found', 'own_account')
  async disable(@CurrentActor() actor: Actor, @IdParam('user_id') userId: string): Promise<AccountResponse> {
    return present(await this.admin.disable(actor, userId));
  }

  @Idempotent()
  @Post('users/:user_id/enable')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'enableAccount',
    summary: 'Enable an account',
    description:
      'Lets a disabled account sign in again. It is recorded in the audit logs of the admin and of the user.',
  })
  @ApiOkResponse({ type: AccountResponse })
  @ApiProblems('not_found')
  async enable(@CurrentActor() actor: Actor, @IdParam('user_id') userId: string): Promise<AccountResponse> {
    return present(await this.admin.enable(actor, userId));
  }

  @Get('users/:user_id/budget')
  @ApiOperation({
    operationId: 'getAccountBudget',
    summary: 'Get the budget of an account',
    description:
      'The limits and caps of an account, and what it has spent. The request is recorded in the audit logs of the admin and of the user.',
  })
  @ApiOkResponse({ type: Budget })
  @ApiProblems('not_found')
  async getBudget(@CurrentActor() actor: Actor, @IdParam('user_id') userId: string): Promise<Budget> {
    return presentBudget(await this.admin.getBudget(actor, userId));
  }

  @Idempotent()
  @Put('users/:user_id/budget')
  @ApiOperation({
    operationId: 'capAccountBudget',
    summary: 'Cap the budget of an account',
    description:
      'Sets the most that an account can spend, whatever limits its user sets. Takes effect with the next turn. It is recorded in the audit logs of the admin and of the user.',
  })
  @ApiOkResponse({ type: Budget })
  @ApiProblems('not_found', 'validation_failed')
  async capBudget(
    @CurrentActor() actor: Actor,
    @IdParam('user_id') userId: string,
    @Body() body: SetBudgetCapRequest,
  ): Promise<Budget> {
    return presentBudget(await this.admin.capBudget(actor, userId, toCaps(body)));
  }

  @Get('usage')
  @ApiOperation({
    operationId: 'listUsage',
    summary: 'List the usage of accounts',
    description:
      'What each account has used in a period, newest account first. The request is recorded in the audit log of the admin.',
  })
  @ApiOkResponse({ type: AccountUsagePage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async usage(@CurrentActor() actor: Actor, @Query() query: UsageQuery): Promise<Page<AccountUsage>> {
    const { from, to } = this.rangeOf(query);
    const scope = `usage ${query.from} ${query.to}`;
    const before = this.cursors.textPosition(scope, query);
    const rows = await this.admin.usage(actor, from, to, before, query.limit);
    return this.cursors.page(scope, query, rows, ({ userId }) => [userId], presentUsage);
  }

  private rangeOf({ from, to }: UsageQuery): { from: Date; to: Date } {
    const end = to === undefined ? new Date(this.clock.nowMs()) : new Date(to);
    const begin = from === undefined ? new Date(end.getTime() - 30 * DAY_MS) : new Date(from);
    for (const [name, date] of [['?from', begin] as const, ['?to', end] as const]) {
      if (!(date.getTime() >= 0 && date.getTime() < 2 ** 48)) throw AppError.invalid(name, 'must be a time since 1970');
    }
    return { from: begin, to: end };
  }
}

function present({ id, email, role, disabledAt, createdAt }: AccountRow): AccountResponse {
  return {
    id,
    email,
    role,
    status: disabledAt === null ? 'active' : 'disabled',
    disabled_at: disabledAt?.toISOString() ?? null,
    created_at: createdAt.toISOString(),
  };
}

function presentUsage(row: UsageRow): AccountUsage {
  return {
    user_id: row.userId,
    email: row.email,
    turns: row.turns,
    input_tokens: row.inputTokens,
    output_tokens: row.outputTokens,
    cost_micro_usd: row.costMicroUsd,
    turns_without_cost: row.turnsWithoutCost,
  };
}
