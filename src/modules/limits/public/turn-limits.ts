import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { AppConfig } from '../../../platform/config/app-config.js';
import type { Statement } from '../../../platform/database/pipeline.js';
import { type Allowance, rateLimitHeaders, toAllowance } from '../../../platform/rate-limit/rate-limiter.js';

const WINDOW_SECONDS = 60;

/** One limit that a turn was charged to, as charge_turn in the migrations says it. */
interface Charge {
  readonly name: string;
  readonly limit: number;
  /** Seconds until the bucket is full, with this turn taken from it. */
  readonly fullIn: number;
  /** How many of these seconds are due to this turn. */
  readonly due: number;
}

/** What a turn was charged. */
export interface Charged {
  /** What is left of each limit that holds; none when there is no limit. */
  readonly allowances: readonly Allowance[];
  /** Whether tokens were taken in advance, so that its end has to put them right. */
  readonly isMetered: boolean;
}

/**
 * The limits of a user, a project and an API key on turns and tokens of models, as statements that ride in the transactions
 * which open and settle a turn. What is allowed and what is left is read and taken in the database at once, so all
 * instances count together; no bucket gives more than it has.
 */
@Injectable()
export class TurnLimits {
  constructor(private readonly config: AppConfig) {}

  /**
   * Charges the turn that this transaction has opened; when a bucket has not enough it fails, and with it the transaction.
   * The last statement of it, as its locks are on what all turns of a user share.
   * @param outputCap the most tokens of answer that the request asks for; null leaves it to the project
   */
  charge(
    { userId, apiKeyId = null }: Pick<Actor, 'userId'> & Partial<Pick<Actor, 'apiKeyId'>>,
    answerId: string,
    outputCap: number | null,
  ): Statement {
    return {
      name: 'turn_charge',
      text: 'select charge_turn($1, $2, $3, $4, $5, $6) as charges',
      values: [userId, answerId, apiKeyId, this.config.defaultPlan, outputCap, this.config.usualOutputTokens],
    };
  }

  /** Puts right what the charge has taken in advance, as long as the claim holds; ahead of what ends it. */
  settle(userId: string, answerId: string, claimId: string, usedTokens: number): Statement {
    return {
      name: 'turn_settle_charge',
      text: 'select settle_turn($1, $2, $3, $4)',
      values: [userId, answerId, claimId, usedTokens],
    };
  }
}

/** What the charge has answered. */
export function toCharged(result: { readonly rows: unknown[] } | undefined): Charged {
  const charges = (result?.rows[0] as { charges: Charge[] | null } | undefined)?.charges ?? [];
  return {
    allowances: charges.map((charge) => toAllowance(limitOf(charge), charge.fullIn)),
    isMetered: charges.some(({ name }) => name.endsWith('-tokens')),
  };
}

/** `rate_limited` with what to tell the client, when that is why a transaction failed; any other error as it is. */
export function explainRefusal(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'rate_limited') return error;
  const charges = JSON.parse((error.cause as { detail: string }).detail) as Charge[];
  const empty = charges.filter(({ fullIn }) => fullIn > WINDOW_SECONDS);
  return new AppError('rate_limited', {
    retryAfterSeconds: Math.max(1, ...empty.map(({ fullIn }) => Math.ceil(fullIn - WINDOW_SECONDS))),
    headers: rateLimitHeaders(empty.map((charge) => toAllowance(limitOf(charge), charge.fullIn - charge.due))),
  });
}

function limitOf({ name, limit }: Charge): { name: string; limit: number; windowSeconds: number } {
  return { name, limit, windowSeconds: WINDOW_SECONDS };
}
