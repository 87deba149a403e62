import { AppError } from '../../../kernel/errors/app-error.js';
import { type Allowance, rateLimitHeaders, toAllowance } from '../../../platform/rate-limit/rate-limiter.js';
import { nameConstraints } from '../../../platform/database/pg-errors.js';

nameConstraints({ ck_turn_buckets_filled: 'rate_limited' });

const WINDOW_SECONDS = 60;

/** One limit that a turn was charged to, as charge_turn in the migrations says it. */
export interface Charge {
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
 * The limits of a user, a project and an API key on turns and tokens of models, as calls, in SQL, that ride in the
 * transactions which open and settle a turn. What is allowed and what is left is read and taken in the database at once, so
 * all instances count together; no bucket gives more than it has. The statements that use them have a parameter `:userId`; what is
 * given here are expressions.
 *
 * This one charges the turn that its transaction has opened; when a bucket has not enough it fails, and with it the
 * transaction. It locks what all turns of a user share, so it comes late.
 */
export const chargeTurn = (turn: {
  answer: string;
  apiKey: string;
  defaultPlan: string;
  projectId: string;
  /** Requests and tokens a minute. */
  projectLimits: string;
  /** What it is likely to use. */
  tokens: string;
}): string =>
  `charge_turn(:userId, ${turn.answer}, ${turn.projectId}, ${turn.apiKey}, ${turn.defaultPlan}, ${turn.projectLimits}, ${turn.tokens})`;

/** Puts right what the charge has taken in advance, as long as the claim holds; ahead of what ends it. */
export const correctCharge = (turn: { answer: string; claim: string; tokens: string }): string =>
  `settle_turn(:userId, ${turn.answer}, ${turn.claim}, ${turn.tokens})`;

/** What the charge has answered; null when there is no limit. */
export function toCharged(answered: readonly Charge[] | null): Charged {
  const charges = answered ?? [];
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
