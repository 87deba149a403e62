import { Body, Controller, Delete, Get, HttpCode, Post, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { ApiCreated, setLocation } from '../../platform/http/api-responses.js';
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

// No response of these routes is stored under an Idempotency-Key: it contains secrets, and a wrong code must count on
// each try.
@ApiTags('Auth')
@Controller('auth/second-factor')
@ApiProblems('unauthenticated')
export class SecondFactorController {
  constructor(private readonly secondFactor: SecondFactorService) {}

  @Get()
  @ApiOperation({
    operationId: 'getSecondFactor',
    summary: 'Get the state of the second factor',
    description: 'Says whether a sign-in needs a code besides the password, and how many recovery codes are left.',
  })
  @ApiOkResponse({ type: SecondFactorResponse })
  async get(@CurrentActor() actor: Actor): Promise<SecondFactorResponse> {
    return present(await this.secondFactor.find(actor));
  }

  @Post()
  @NoIdempotency()
  @ApiOperation({
    operationId: 'startSecondFactor',
    summary: 'Start to set up the second factor',
    description:
      'Needs the password, and returns a secret for an authenticator app. Nothing changes for sign-ins until `confirmSecondFactor`. 409 `second_factor_on`: the second factor is on already.',
  })
  @ApiCreated(SecondFactorOffer, {
    description: 'The second factor stays off until a code is confirmed.',
  })
  @ApiProblems('second_factor_on', 'validation_failed', 'rate_limited', 'overloaded')
  async start(
    @CurrentActor() actor: Actor,
    @Body() { password }: StartSecondFactorRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SecondFactorOffer> {
    const { secret, uri } = await this.secondFactor.start(actor, password);
    setLocation(reply, '/auth/second-factor');
    return { secret, otpauth_uri: uri };
  }

  @Post('confirm')
  @HttpCode(200)
  @NoIdempotency()
  @ApiOperation({
    operationId: 'confirmSecondFactor',
    summary: 'Switch the second factor on',
    description:
      'Needs the first code of the authenticator app. From now on a sign-in needs a code. Returns the recovery codes, which are shown only in this response.',
  })
  @ApiOkResponse({ type: RecoveryCodes })
  @ApiProblems('second_factor_on', 'second_factor_off', 'validation_failed', 'rate_limited')
  async confirm(@CurrentActor() actor: Actor, @Body() { code }: ConfirmSecondFactorRequest): Promise<RecoveryCodes> {
    return { recovery_codes: await this.secondFactor.confirm(actor, code) };
  }

  @Post('recovery-codes')
  @HttpCode(200)
  @NoIdempotency()
  @ApiOperation({
    operationId: 'renewRecoveryCodes',
    summary: 'Replace the recovery codes',
    description:
      'Needs the password and a code. The old recovery codes stop working, and the new ones are shown only in this response.',
  })
  @ApiOkResponse({ type: RecoveryCodes })
  @ApiProblems('second_factor_off', 'validation_failed', 'rate_limited', 'overloaded')
  async renew(@CurrentActor() actor: Actor, @Body() body: SecondFactorProof): Promise<RecoveryCodes> {
    return { recovery_codes: await this.secondFactor.renewRecoveryCodes(actor, body.password, body.code) };
  }

  @Delete()
  @HttpCode(204)
  @NoIdempotency()
  @ApiOperation({
    operationId: 'removeSecondFactor',
    summary: 'Switch the second factor off',
    description: 'Needs the password and a code. From now on a sign-in needs the password only.',
  })
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
