import { Body, Controller, Delete, Get, HttpCode, Res, StreamableFile } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import type { FastifyReply } from 'fastify';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { IdParam } from '../../platform/http/id-param.decorator.js';
import { Public } from '../../platform/http/public.decorator.js';
import { NoIdempotency } from '../../platform/idempotency/idempotency.interceptor.js';
import { LimitByAddress } from '../../platform/rate-limit/rate-limit.guard.js';
import type { RateLimit } from '../../platform/rate-limit/rate-limiter.js';
import { AuthConfig } from '../auth/public/auth.config.js';
import { AccountExport } from './account-export.js';
import type { ErasureReceipt } from './erasure-receipts.js';
import { ErasureService } from './erasure.service.js';
import { DeleteMeRequest, ErasureReceiptResponse } from './privacy.dto.js';

const JSON_LINES = 'application/x-ndjson';

/** Shared with password changes, so an attacker cannot continue guessing on the other route. */
const passwordGuesses = ({ loginFailuresPerAddress }: AuthConfig): RateLimit => ({
  name: 'password',
  limit: loginFailuresPerAddress,
  windowSeconds: 900,
});

@ApiTags('Users')
@Controller()
export class PrivacyController {
  constructor(
    private readonly exports: AccountExport,
    private readonly erasures: ErasureService,
  ) {}

  @Get('users/me/export')
  @ApiOperation({
    operationId: 'exportMe',
    summary: 'Export the account',
    description:
      'Everything that the account has, as JSON lines. The first line is `{parley_export, user_id, exported_at, tables}`, each following line is `{table, row}`, and the last line is `{end, counts}`: an export without it is incomplete. One export runs at a time; a second one is 409 `export_in_progress`.',
  })
  @ApiOkResponse({ content: { [JSON_LINES]: { schema: { type: 'object' } } } })
  @ApiProblems('unauthenticated', 'export_in_progress', 'overloaded')
  async exportMe(@CurrentActor() actor: Actor): Promise<StreamableFile> {
    const archive = await this.exports.begin(actor);
    return new StreamableFile(archive, { type: JSON_LINES, disposition: 'attachment; filename="parley-export.jsonl"' });
  }

  // A deleted account cannot store a response to repeat.
  @NoIdempotency()
  @AllowUnverified()
  @LimitByAddress(AuthConfig, passwordGuesses)
  @Delete('users/me')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteMe',
    summary: 'Delete the account',
    description:
      'Deletes the account with everything that belongs to it, completely or not at all. All tokens and keys stop working. The audit log stays; it has ids and times, but no content. `Erasure-Receipt` is the path of the receipt. It cannot be undone.',
  })
  @ApiNoContentResponse({
    headers: { 'Erasure-Receipt': { description: 'The path of the erasure receipt.', schema: { type: 'string' } } },
  })
  @ApiProblems('unauthenticated', 'validation_failed', 'rate_limited', 'overloaded')
  async deleteMe(
    @CurrentActor() actor: Actor,
    @Body() body: DeleteMeRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    void reply.header('erasure-receipt', `/erasure-receipts/${await this.erasures.eraseMe(actor, body)}`);
  }

  @Public()
  @Get('erasure-receipts/:receipt_id')
  @ApiOperation({
    operationId: 'getErasureReceipt',
    summary: 'Get an erasure receipt',
    description: 'What was erased with an account. The id is the only key to it, so the route needs no token.',
    security: [],
  })
  @ApiOkResponse({ type: ErasureReceiptResponse })
  @ApiProblems('not_found')
  async getReceipt(@IdParam('receipt_id') id: string): Promise<ErasureReceiptResponse> {
    return present(await this.erasures.getReceipt(id));
  }
}

function present({ receipt, isAuthentic }: { receipt: ErasureReceipt; isAuthentic: boolean }): ErasureReceiptResponse {
  return {
    id: receipt.id,
    erased_at: receipt.erasedAt.toISOString(),
    subject: receipt.subject.toString('hex'),
    counts: receipt.counts,
    audit_seq: receipt.auditSeq,
    audit_hash: receipt.auditHash.toString('hex'),
    signature: receipt.signature.toString('hex'),
    is_authentic: isAuthentic,
  };
}
