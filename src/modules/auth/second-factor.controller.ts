import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { NoIdempotency } from '../../platform/idempotency/idempotency.interceptor.js';
import {
  ConfirmSecondFactorRequest,
  RecoveryCodes,
  SecondFactorResponse,
  SecondFactorOffer,
  SecondFactorProof,
  StartSecondFactorRequest,
} from './second-factor.dto.js';
import type { SecondFactor } from './second-factor.entity.js';
import { SecondFactorService } from './second-factor.service.js';

// No answer here is kept for an Idempotency-Key: it would keep secrets, and a wrong code must count though it is refused.
@ApiTags('Auth')
@Controller('auth/second-factor')
@ApiProblems('unauthenticated')
export class SecondFactorController {
  constructor(private readonly secondFactor: SecondFactorService) {}

  @Get()
  @ApiOperation({ operationId: 'getSecondFactor', summary: 'Whether sign-in asks for a code beside the password' })
  @ApiOkResponse({ type: SecondFactorResponse })
  async get(@CurrentActor() actor: Actor): Promise<SecondFactorResponse> {
    return present(await this.secondFactor.find(actor));
  }

  @Post()
  @NoIdempotency()
  @ApiOperation({ operationId: 'startSecondFactor', summary: 'Get a secret for an authenticator app' })
  @ApiCreatedResponse({ type: SecondFactorOffer, description: 'Not in force before a code of it is confirmed.' })
  @ApiProblems('second_factor_on', 'validation_failed', 'rate_limited', 'overloaded')
  async start(
    @CurrentActor() actor: Actor,
    @Body() { password }: StartSecondFactorRequest,
  ): Promise<SecondFactorOffer> {
    const { secret, uri } = await this.secondFactor.start(actor, password);
    return { secret, otpauth_uri: uri };
  }

  @Post('confirm')
  @HttpCode(200)
  @NoIdempotency()
  @ApiOperation({ operationId: 'confirmSecondFactor', summary: 'Switch the second factor on by its first code' })
  @ApiOkResponse({ type: RecoveryCodes })
  @ApiProblems('second_factor_on', 'second_factor_off', 'validation_failed', 'rate_limited')
  async confirm(@CurrentActor() actor: Actor, @Body() { code }: ConfirmSecondFactorRequest): Promise<RecoveryCodes> {
    return { recovery_codes: await this.secondFactor.confirm(actor, code) };
  }

  @Post('recovery-codes')
  @HttpCode(200)
  @NoIdempotency()
  @ApiOperation({ operationId: 'renewRecoveryCodes', summary: 'Get new recovery codes in place of the old ones' })
  @ApiOkResponse({ type: RecoveryCodes })
  @ApiProblems('second_factor_off', 'validation_failed', 'rate_limited', 'overloaded')
  async renew(@CurrentActor() actor: Actor, @Body() body: SecondFactorProof): Promise<RecoveryCodes> {
    return { recovery_codes: await this.secondFactor.renewRecoveryCodes(actor, body.password, body.code) };
  }

  @Delete()
  @HttpCode(204)
  @NoIdempotency()
  @ApiOperation({ operationId: 'removeSecondFactor', summary: 'Switch the second factor off' })
  @ApiNoContentResponse()
  @ApiProblems('second_factor_off', 'validation_failed', 'rate_limited', 'overloaded')
  remove(@CurrentActor() actor: Actor, @Body() { password, code }: SecondFactorProof): Promise<void> {
    return this.secondFactor.remove(actor, password, code);
  }
}

function present(factor: SecondFactor | null): SecondFactorResponse {
  return {
    enabled: factor !== null,
    enabled_at: factor?.confirmedAt?.toISOString() ?? null,
    recovery_codes_left: factor?.recoveryHashes.length ?? 0,
  };
}
