import { AppError } from '../../../kernel/errors/app-error.js';
import { type Allowance, rateLimitHeaders, toAllowance } from '../../../platform/rate-limit/rate-limiter.js';
import { nameConstraints } from '../../../platform/database/pg-errors.js';

nameConstraints({ ck_turn_buckets_filled: 'rate_limited' });

const WINDOW_SECONDS = 60;

/** One limit that a turn was charged to, as returned by `charge_turn` (see the migrations). */
export interface Charge {
  readonly name: string;
  readonly limit: number;
  /** Seconds until the bucket is full again, after the charge of this turn. */
  readonly fullIn: number;
  /** The part of these seconds that this turn caused. */
  readonly due: number;
}

/** The charge of a turn. */
export interface Charged {
  /** The remaining allowance of each limit that applies; empty without limits. */
  readonly allowances: readonly Allowance[];
  /** Whether tokens were charged in advance, so the end of the turn must correct them. */
  readonly isMetered: boolean;
}

/**
 * The limits of a user, a project and an API key on turns and model tokens, as SQL calls inside the transactions that
 * open and settle a turn. The database reads and charges the buckets in one step, so the limits hold across all
 * instances and no bucket can be overdrawn. The statements that use them have a parameter `:userId`; the arguments here
 * are SQL expressions.
 *
 * This call charges the turn that its transaction has opened. When a bucket has too little, the call and its
 * transaction fail. It locks rows that all turns of a user share, so it comes late in the transaction.
 */
export const chargeTurn = (turn: {
  answer: string;
  apiKey: string;
  defaultPlan: string;
  projectId: string;
  /** Requests and tokens per minute. */
  projectLimits: string;
  /** The estimated tokens of the turn. */
  tokens: string;
}): string =>
  `charge_turn(:userId, ${turn.answer}, ${turn.projectId}, ${turn.apiKey}, ${turn.defaultPlan}, ${turn.projectLimits}, ${turn.tokens})`;

/** Corrects the advance charge, if the claim is still valid. Send it before the statement that ends the claim. */
export const correctCharge = (turn: { answer: string; claim: string; tokens: string }): string =>
  `settle_turn(:userId, ${turn.answer}, ${turn.claim}, ${turn.tokens})`;

/** Converts the result of the charge; null when there is no limit. */
export function toCharged(answered: readonly Charge[] | null): Charged {
  const charges = answered ?? [];
  return {
    allowances: charges.map((charge) => toAllowance(limitOf(charge), charge.fullIn)),
    isMetered: charges.some(({ name }) => name.endsWith('-tokens')),
  };
}

/**
 * Converts the error of a failed charge to `rate_limited` with the details for the client. Returns any other error
 * unchanged.
 */
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
