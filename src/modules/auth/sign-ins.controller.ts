import { Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../platform/http/cursors.js';
import { IdParam } from '../../platform/http/id-param.decorator.js';
import { type Page, PageQuery } from '../../platform/http/page.dto.js';
import { SignInResponse, SignInPage } from './sign-in.dto.js';
import type { SignIn } from './sign-in.entity.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
import { SignInsService } from './sign-ins.service.js';

// The path says "sessions", as in other APIs. In the code a session is a conversation, and this is a sign-in.
@ApiTags('Auth')
@Controller('auth/sessions')
@ApiProblems('unauthenticated')
export class SignInsController {
  constructor(
    private readonly signIns: SignInsService,
    private readonly cursors: Cursors,
  ) {}

  @Get()
  @ApiOperation({
    operationId: 'listSignIns',
    summary: 'List sign-ins',
    description: 'The devices that are signed in, newest first.',
  })
  @ApiOkResponse({ type: SignInPage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(@CurrentActor() actor: Actor, @Query() query: PageQuery): Promise<Page<SignInResponse>> {
    const scope = `sign-ins ${actor.userId}`;
    const beforeId = this.cursors.textPosition(scope, query);
    const rows = await this.signIns.list(actor, beforeId, query.limit);
    return this.cursors.page(
      scope,
      query,
      rows,
      ({ id }) => [id],
      (row) => presentSignIn(row, actor),
    );
  }

  @Idempotent()
  @Delete(':sign_in_id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteSignIn',
    summary: 'End a sign-in',
    description: 'Signs a device out. Its tokens stop working on every instance within seconds.',
  })
  @ApiNoContentResponse()
  @ApiProblems('not_found')
  remove(@CurrentActor() actor: Actor, @IdParam('sign_in_id') id: string): Promise<void> {
    return this.signIns.remove(actor, id);
  }
}

function presentSignIn(signIn: SignIn, actor: Actor): SignInResponse {
  return {
    id: signIn.id,
    user_agent: signIn.userAgent,
    current: signIn.id === actor.signInId,
    created_at: signIn.createdAt.toISOString(),
    last_used_at: signIn.lastUsedAt.toISOString(),
    expires_at: signIn.expiresAt.toISOString(),
  };
}
