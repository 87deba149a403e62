import { Body, Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiConsumes,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { ApiCreated, setLocation } from '../../platform/http/api-responses.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Public } from '../../platform/http/public.decorator.js';
import { ClientAddress } from '../../platform/rate-limit/client-address.js';
import { LimitByAddress, LimitLocallyByAddress } from '../../platform/rate-limit/rate-limit.guard.js';
import { AcceptsForm } from '../../platform/http/request-limits.js';
import { UserAgent } from '../../platform/http/user-agent.decorator.js';
import { IdempotencyKeys } from '../../platform/idempotency/idempotency-keys.js';
import { Idempotent, OwnIdempotency } from '../../platform/idempotency/idempotency.interceptor.js';
import { markReplayed } from '../../platform/idempotency/idempotent-writes.js';
import {
  ChangePasswordRequest,
  LoginRequest,
  RefreshRequest,
  RegisterRequest,
  RegistrationPending,
  secondFactorCodeOf,
  SignedIn,
} from './auth.dto.js';
import { AUTH_LIMITS } from './auth-limits.js';
import { AuthService } from './auth.service.js';
import { AuthConfig } from './public/auth.config.js';
import { LoginWithSecondFactorRequest } from './second-factor.dto.js';

@ApiTags('Auth')
@Controller()
@AllowUnverified()
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly keys: IdempotencyKeys,
  ) {}

  @Public()
  @LimitByAddress(AuthConfig, AUTH_LIMITS.registrations)
  @Idempotent()
  @Post('auth/register')
  @ApiOperation({
    operationId: 'register',
    summary: 'Create an account',
    description:
      'Creates an account and signs it in. A server that wants addresses to be confirmed first responds with 202 instead, sends a mail, and does not tell whether the address already had an account. Otherwise a taken address is 409 `email_taken`. Limited by client address.',
    security: [],
  })
  @ApiCreated(SignedIn)
  @ApiAcceptedResponse({
    type: RegistrationPending,
    description: 'The server wants the address to be confirmed first: a mail says how to go on.',
  })
  @ApiProblems('email_taken', 'validation_failed', 'rate_limited', 'overloaded')
  async register(
    @Body() body: RegisterRequest,
    @UserAgent() userAgent: string | null,
    @ClientAddress() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignedIn | RegistrationPending> {
    return signedInOrPending(await this.auth.register(body, { userAgent, address }), reply);
  }

  @Public()
  @Idempotent()
  @LimitLocallyByAddress(AuthConfig, AUTH_LIMITS.signInRequests)
  @Post('auth/login')
  @HttpCode(200)
  @AcceptsForm()
  @ApiConsumes('application/json', 'application/x-www-form-urlencoded')
  @ApiOperation({
    operationId: 'login',
    summary: 'Sign in',
    description:
      'Signs in with e-mail and password, as JSON or as the password form of OAuth2. Each call creates a sign-in with tokens of its own. When the account has a second factor and no code is sent, the response is 401 `second_factor_required` with a `challenge` for `loginWithSecondFactor`. Too many wrong passwords are 429 `rate_limited`.',
    security: [],
  })
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
  @Idempotent()
  @LimitLocallyByAddress(AuthConfig, AUTH_LIMITS.signInRequests)
  @Post('auth/login/second-factor')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'loginWithSecondFactor',
    summary: 'Finish a sign-in with a code',
    description:
      'Completes a sign-in that was answered with `second_factor_required`. Each code and each challenge works once. Wrong codes count as failed sign-ins.',
    security: [],
  })
  @ApiOkResponse({ type: SignedIn })
  @ApiProblems('invalid_second_factor', 'invalid_challenge', 'invalid_credentials', 'validation_failed', 'rate_limited')
  loginWithSecondFactor(
    @Body() { challenge, code }: LoginWithSecondFactorRequest,
    @UserAgent() userAgent: string | null,
    @ClientAddress() address: string,
  ): Promise<SignedIn> {
    return this.auth.loginWithSecondFactor(challenge, code, { userAgent, address });
  }

  @Public()
  @LimitByAddress(AuthConfig, AUTH_LIMITS.refreshes)
  @Idempotent()
  @Post('auth/refresh')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'refresh',
    summary: 'Get new tokens',
    description:
      'Exchanges a refresh token for a new access token and a new refresh token. A refresh token works once: when a used one comes back later, the sign-in ends, because one of two clients must have stolen it. Limited by client address.',
    security: [],
  })
  @ApiOkResponse({ type: SignedIn })
  @ApiProblems('invalid_refresh_token', 'validation_failed', 'rate_limited')
  refresh(@Body() body: RefreshRequest): Promise<SignedIn> {
    return this.auth.refresh(body.refresh_token);
  }

  @Idempotent()
  @Post('auth/logout')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'logout',
    summary: 'Sign out',
    description: 'Ends the sign-in of this access token. Its tokens stop working on every instance within seconds.',
  })
  @ApiNoContentResponse()
  @ApiProblems('unauthenticated')
  logout(@CurrentActor() actor: Actor): Promise<void> {
    return this.auth.logout(actor);
  }

  // This route is not in the users module, because it ends sign-ins and that module does not know them.
  @LimitByAddress(AuthConfig, AUTH_LIMITS.passwordChanges)
  @Post('users/me/password')
  @OwnIdempotency()
  @HttpCode(204)
  @ApiOperation({
    operationId: 'changePassword',
    summary: 'Change the password',
    description:
      'Needs the current password. All other sign-ins end; this one stays. A wrong current password is 422 with the pointer `/current_password`. Limited by client address.',
  })
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

function signedInOrPending(signedIn: SignedIn | null, reply: FastifyReply): SignedIn | RegistrationPending {
  if (signedIn !== null) {
    setLocation(reply, '/users/me');
    return signedIn;
  }
  void reply.status(202);
  return { pending: 'email_verification' };
}
