import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Public } from '../../platform/http/public.decorator.js';
import { ClientAddress } from '../../platform/rate-limit/client-address.js';
import { LimitByAddress } from '../../platform/rate-limit/rate-limit.guard.js';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
import { AUTH_LIMITS } from './auth-limits.js';
import { ForgotPasswordRequest, ResetPasswordRequest, VerifyEmailRequest } from './auth.dto.js';
import { EmailVerificationService } from './email-verification.service.js';
import { PasswordResetService } from './password-reset.service.js';
import { AuthConfig } from './public/auth.config.js';

@ApiTags('Auth')
@Controller('auth')
@AllowUnverified()
export class AuthMailController {
  constructor(
    private readonly resets: PasswordResetService,
    private readonly verification: EmailVerificationService,
  ) {}

  @Public()
  @LimitByAddress(AuthConfig, AUTH_LIMITS.mailRequests)
  @Idempotent()
  @Post('password/forgot')
  @HttpCode(202)
  @ApiOperation({ operationId: 'forgotPassword', summary: 'Ask for a mail to reset the password', security: [] })
  @ApiAcceptedResponse({
    description: 'When there is such an account, a mail is on its way. The answer does not tell.',
  })
  @ApiProblems('validation_failed', 'rate_limited', 'mail_not_configured', 'overloaded')
  forgot(@Body() { email }: ForgotPasswordRequest): void {
    this.resets.forgot(email);
  }

  @Public()
  @LimitByAddress(AuthConfig, AUTH_LIMITS.mailRequests)
  @Idempotent()
  @Post('password/reset')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'resetPassword',
    summary: 'Set a new password by the token from the mail, and end all sign-ins',
    security: [],
  })
  @ApiNoContentResponse()
  @ApiProblems('validation_failed', 'invalid_mail_token', 'rate_limited', 'overloaded')
  reset(@Body() body: ResetPasswordRequest, @ClientAddress() address: string): Promise<void> {
    return this.resets.reset(body, address);
  }

  @Public()
  @LimitByAddress(AuthConfig, AUTH_LIMITS.mailRequests)
  @Idempotent()
  @Post('email/verify')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'verifyEmail',
    summary: 'Verify the e-mail address by the token from the mail',
    security: [],
  })
  @ApiNoContentResponse({ description: 'Access tokens say so from the next refresh on.' })
  @ApiProblems('validation_failed', 'invalid_mail_token', 'rate_limited')
  verify(@Body() { token }: VerifyEmailRequest): Promise<void> {
    return this.verification.verify(token);
  }

  @LimitByAddress(AuthConfig, AUTH_LIMITS.mailRequests)
  @Idempotent()
  @Post('email/verification')
  @HttpCode(202)
  @ApiOperation({ operationId: 'requestEmailVerification', summary: 'Send the mail to verify the address again' })
  @ApiAcceptedResponse({ description: 'A mail is on its way, unless the address is verified already.' })
  @ApiProblems('unauthenticated', 'rate_limited', 'mail_not_configured', 'overloaded')
  request(@CurrentActor() actor: Actor): void {
    this.verification.request(actor);
  }
}
