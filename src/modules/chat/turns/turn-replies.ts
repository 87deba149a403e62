import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { SseStreams } from '../../../platform/http/sse.js';
import { markReplayed } from '../../../platform/idempotency/idempotent-writes.js';
import { rateLimitHeaders } from '../../../platform/rate-limit/rate-limiter.js';
import type { LiveTurn, Position } from '../following/live-turn.js';
import { turnEventRef } from '../public/turn-event.dto.js';
import { streamTurn } from './turn-stream.js';
import type { BegunTurn } from './turns.service.js';

const BUDGET_WARNING = 'parley-budget-warning';

/** The OpenAPI description of the headers of a turn's response. */
export const TURN_HEADERS = {
  'Parley-Budget-Warning': {
    description:
      'Present when 80 % of a budget or more is used, with the highest possible cost of this turn and of those that run. Amounts are in micro-dollars.',
    schema: { type: 'string' },
    example: 'account;period=day;used=4100000;limit=5000000',
  },
} as const;

/** The OpenAPI description of a stream of turn events. */
export const EVENT_STREAM = { 'text/event-stream': { schema: turnEventRef } };

/** The common parts of the responses to turns. */
@Injectable()
export class TurnReplies {
  constructor(private readonly streams: SseStreams) {}

  /** Sets headers: whether this is a replay, what remains of the limits, and which budgets are nearly used up. */
  setHeaders({ isReplay, allowances, budgetWarnings }: BegunTurn, reply: FastifyReply): void {
    if (isReplay) markReplayed(reply);
    void reply.headers(rateLimitHeaders(allowances));
    if (budgetWarnings.length > 0) void reply.header(BUDGET_WARNING, budgetWarnings.map(presentWarning).join(', '));
  }

  /**
   * Streams a turn from the position that the client has seen; null: from the beginning. A client that disconnects does
   * not stop the turn.
   */
  stream(turn: LiveTurn, reply: FastifyReply, seen: Position | null): void {
    let unfollow = (): void => undefined;
    const sse = this.streams.open(reply, () => unfollow());
    unfollow = streamTurn(turn, sse, seen);
  }
}

function presentWarning({ budget, period, used, limit }: BegunTurn['budgetWarnings'][number]): string {
  return `${budget};period=${period};used=${used};limit=${limit}`;
}
