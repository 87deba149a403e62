import { Body, Controller, Delete, Get, HttpCode, Res, StreamableFile } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import type { FastifyReply } from 'fastify';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { ApiIds, IdParam } from '../../platform/http/id-param.decorator.js';
import { Public } from '../../platform/http/public.decorator.js';
import { NoIdempotency } from '../../platform/idempotency/idempotency.interceptor.js';
import { LimitByAddress } from '../../platform/rate-limit/rate-limit.guard.js';
import type { RateLimit } from '../../platform/rate-limit/rate-limiter.js';
import type { AppConfig } from '../../platform/config/app-config.js';
import { AccountExport } from './account-export.js';
import type { ErasureReceipt } from './erasure-receipts.js';
import { ErasureService } from './erasure.service.js';
import { DeleteMeRequest, ErasureReceiptView } from './privacy.dto.js';

const JSON_LINES = 'application/x-ndjson';

/** The bucket of password changes: who guesses at one must not guess on at the other. */
const passwordGuesses = ({ loginFailuresPerAddress }: AppConfig): RateLimit => ({
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
    summary: 'Everything of the account, as JSON lines',
    description:
      'The first line is `{parley_export, user_id, exported_at, tables}`, then one `{table, row}` for each row, and the last line is `{end, counts}`: an archive without it was cut.',
  })
  @ApiOkResponse({ content: { [JSON_LINES]: { schema: { type: 'object' } } } })
  @ApiProblems('unauthenticated', 'export_in_progress', 'overloaded')
  async exportMe(@CurrentActor() actor: Actor): Promise<StreamableFile> {
    const archive = await this.exports.begin(actor);
    return new StreamableFile(archive, { type: JSON_LINES, disposition: 'attachment; filename="parley-export.jsonl"' });
  }

  // An account that is gone keeps no answer to repeat.
  @NoIdempotency()
  @AllowUnverified()
  @LimitByAddress(passwordGuesses)
  @Delete('users/me')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteMe',
    summary: 'Delete the account with everything that belongs to it',
    description: 'All or nothing. All its tokens and keys end. The audit log stays: ids and times, no content.',
  })
  @ApiNoContentResponse({
    headers: { 'Erasure-Receipt': { description: 'The path of the receipt.', schema: { type: 'string' } } },
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
  @ApiIds('receipt_id')
  @ApiOperation({
    operationId: 'getErasureReceipt',
    summary: 'What was erased with an account, for whoever knows the id',
    security: [],
  })
  @ApiOkResponse({ type: ErasureReceiptView })
  @ApiProblems('not_found')
  async getReceipt(@IdParam('receipt_id') id: string): Promise<ErasureReceiptView> {
    return present(await this.erasures.getReceipt(id));
  }
}

function present({ receipt, isAuthentic }: { receipt: ErasureReceipt; isAuthentic: boolean }): ErasureReceiptView {
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
