import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Public } from '../../platform/http/public.decorator.js';
import { ClientAddress } from '../../platform/rate-limit/client-address.js';
import { LimitByAddress } from '../../platform/rate-limit/rate-limit.guard.js';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { AUTH_LIMITS } from './auth-limits.js';
import { ForgotPasswordRequest, ResetPasswordRequest, VerifyEmailRequest } from './auth.dto.js';
import { EmailVerificationService } from './email-verification.service.js';
import { PasswordResetService } from './password-reset.service.js';

@ApiTags('Auth')
@Controller('auth')
@AllowUnverified()
export class AuthMailController {
  constructor(
    private readonly resets: PasswordResetService,
    private readonly verification: EmailVerificationService,
  ) {}

  @Public()
  @LimitByAddress(AUTH_LIMITS.mailRequests)
  @Post('password/forgot')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'forgotPassword',
    summary: 'Ask for a mail to reset the password',
    description:
      'Sends a mail with a token when the address has an account. The response is the same when it has none. 501 `mail_not_configured`: this server sends no mail. Limited by client address.',
    security: [],
  })
  @ApiAcceptedResponse({
    description: 'If there is such an account, a mail is on its way.',
  })
  @ApiProblems('validation_failed', 'rate_limited', 'mail_not_configured', 'overloaded')
  forgot(@Body() { email }: ForgotPasswordRequest): void {
    this.resets.forgot(email);
  }

  @Public()
  @LimitByAddress(AUTH_LIMITS.mailRequests)
  @Post('password/reset')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'resetPassword',
    summary: 'Reset the password',
    description:
      'Sets a new password with the token from the mail, and ends all sign-ins and API keys of the account. The token works once; otherwise the response is 422 `invalid_mail_token`. Limited by client address.',
    security: [],
  })
  @ApiNoContentResponse()
  @ApiProblems('validation_failed', 'invalid_mail_token', 'rate_limited', 'overloaded')
  reset(@Body() body: ResetPasswordRequest, @ClientAddress() address: string): Promise<void> {
    return this.resets.reset(body, address);
  }

  @Public()
  @LimitByAddress(AUTH_LIMITS.mailRequests)
  @Post('email/verify')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'verifyEmail',
    summary: 'Confirm the e-mail address',
    description:
      'Confirms the address with the token from the mail. Access tokens say so after the next refresh. A token that is wrong, old or used is 422 `invalid_mail_token`.',
    security: [],
  })
  @ApiNoContentResponse()
  @ApiProblems('validation_failed', 'invalid_mail_token', 'rate_limited')
  verify(@Body() { token }: VerifyEmailRequest): Promise<void> {
    return this.verification.verify(token);
  }

  @LimitByAddress(AUTH_LIMITS.mailRequests)
  @Post('email/verification')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'requestEmailVerification',
    summary: 'Send the confirmation mail again',
    description: 'Sends another mail to confirm the address. Nothing is sent when the address is confirmed already.',
  })
  @ApiAcceptedResponse({ description: 'A mail is on its way, unless the address is confirmed already.' })
  @ApiProblems('unauthenticated', 'rate_limited', 'mail_not_configured', 'overloaded')
  request(@CurrentActor() actor: Actor): void {
    this.verification.request(actor);
  }
}
