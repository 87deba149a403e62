import { Body, Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiConsumes,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Public } from '../../platform/http/public.decorator.js';
import { ClientAddress } from '../../platform/rate-limit/client-address.js';
import { LimitByAddress, LimitLocallyByAddress } from '../../platform/rate-limit/rate-limit.guard.js';
import { AcceptsForm } from '../../platform/http/request-limits.js';
import { UserAgent } from '../../platform/http/user-agent.decorator.js';
import { IdempotencyKeys } from '../../platform/idempotency/idempotency-keys.js';
import { OwnIdempotency } from '../../platform/idempotency/idempotency.interceptor.js';
import { markReplayed } from '../../platform/idempotency/idempotent-writes.js';
import {
  ChangePasswordRequest,
  LoginRequest,
  RefreshRequest,
  RegisterRequest,
  secondFactorCodeOf,
  SignedIn,
} from './auth.dto.js';
import { AUTH_LIMITS } from './auth-limits.js';
import { AuthService } from './auth.service.js';
import { SecondFactorLoginRequest } from './second-factor.dto.js';

@ApiTags('Auth')
@Controller()
@AllowUnverified()
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly keys: IdempotencyKeys,
  ) {}

  @Public()
  @LimitByAddress(AUTH_LIMITS.registrations)
  @Post('auth/register')
  @ApiOperation({ operationId: 'register', summary: 'Make an account and sign in', security: [] })
  @ApiCreatedResponse({ type: SignedIn })
  @ApiAcceptedResponse({
    description:
      'On a server that asks for verified addresses: a mail says how to go on, and sign-in works after that. The answer does not tell whether there was an account already.',
  })
  @ApiProblems('email_taken', 'validation_failed', 'rate_limited', 'overloaded')
  async register(
    @Body() body: RegisterRequest,
    @UserAgent() userAgent: string | null,
    @ClientAddress() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignedIn | undefined> {
    return signedInOrAccepted(await this.auth.register(body, { userAgent, address }), reply);
  }

  @Public()
  @LimitLocallyByAddress(AUTH_LIMITS.signInRequests)
  @Post('auth/login')
  @HttpCode(200)
  @AcceptsForm()
  @ApiConsumes('application/json', 'application/x-www-form-urlencoded')
  @ApiOperation({ operationId: 'login', summary: 'Sign in by e-mail and password', security: [] })
  @ApiOkResponse({ type: SignedIn })
  @ApiProblems('invalid_credentials', 'second_factor_required', 'invalid_second_factor')
  @ApiProblems('validation_failed', 'rate_limited', 'overloaded')
  login(
    @Body() body: LoginRequest,
    @UserAgent() userAgent: string | null,
    @ClientAddress() address: string,
  ): Promise<SignedIn> {
    const email = (body.email ?? body.username) as string;
    return this.auth.login(email, body.password, secondFactorCodeOf(body), { userAgent, address });
  }

  @Public()
  @LimitLocallyByAddress(AUTH_LIMITS.signInRequests)
  @Post('auth/login/second-factor')
  @HttpCode(200)
  @ApiOperation({ operationId: 'loginWithSecondFactor', summary: 'Finish a sign-in by a code', security: [] })
  @ApiOkResponse({ type: SignedIn })
  @ApiProblems('invalid_second_factor', 'invalid_challenge', 'invalid_credentials', 'validation_failed', 'rate_limited')
  loginWithSecondFactor(
    @Body() { challenge, code }: SecondFactorLoginRequest,
    @UserAgent() userAgent: string | null,
    @ClientAddress() address: string,
  ): Promise<SignedIn> {
    return this.auth.loginWithSecondFactor(challenge, code, { userAgent, address });
  }

  @Public()
  @LimitByAddress(AUTH_LIMITS.refreshes)
  @Post('auth/refresh')
  @HttpCode(200)
  @ApiOperation({ operationId: 'refresh', summary: 'Exchange a refresh token for new tokens', security: [] })
  @ApiOkResponse({ type: SignedIn })
  @ApiProblems('invalid_refresh_token', 'validation_failed', 'rate_limited')
  refresh(@Body() body: RefreshRequest): Promise<SignedIn> {
    return this.auth.refresh(body.refresh_token);
  }

  @Post('auth/logout')
  @HttpCode(204)
  @ApiOperation({ operationId: 'logout', summary: 'End this sign-in' })
  @ApiNoContentResponse()
  @ApiProblems('unauthenticated')
  logout(@CurrentActor() actor: Actor): Promise<void> {
    return this.auth.logout(actor);
  }

  // Here and not with the users, because it ends sign-ins, of which users know nothing.
  @LimitByAddress(AUTH_LIMITS.passwordChanges)
  @Post('users/me/password')
  @OwnIdempotency()
  @HttpCode(204)
  @ApiOperation({ operationId: 'changePassword', summary: 'Change the password and end all other sign-ins' })
  @ApiNoContentResponse()
  @ApiProblems('unauthenticated', 'validation_failed', 'rate_limited', 'overloaded')
  async changePassword(
    @CurrentActor() actor: Actor,
    @Body() body: ChangePasswordRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    if (await this.auth.changePassword(actor, body, this.keys.of(request))) markReplayed(reply);
  }
}

function signedInOrAccepted(signedIn: SignedIn | null, reply: FastifyReply): SignedIn | undefined {
  if (signedIn === null) void reply.status(202);
  return signedIn ?? undefined;
}
