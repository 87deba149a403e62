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

/** The headers of a response to a turn, as the OpenAPI document has them. */
export const TURN_HEADERS = {
  'Parley-Budget-Warning': {
    description:
      'Present when 80 % of a budget or more is used, with the highest possible cost of this turn and of those that run. Amounts are in micro-dollars.',
    schema: { type: 'string' },
    example: 'account;period=day;used=4100000;limit=5000000',
  },
} as const;

/** A stream of the events of a turn, as the OpenAPI document has it. */
export const EVENT_STREAM = { 'text/event-stream': { schema: turnEventRef } };

/** What the responses of all turns have in common. */
@Injectable()
export class TurnReplies {
  constructor(private readonly streams: SseStreams) {}

  /** Says in headers whether the turn was begun before, what is left of its limits, and which budget runs out. */
  setHeaders({ isReplay, allowances, budgetWarnings }: BegunTurn, reply: FastifyReply): void {
    if (isReplay) markReplayed(reply);
    void reply.headers(rateLimitHeaders(allowances));
    if (budgetWarnings.length > 0) void reply.header(BUDGET_WARNING, budgetWarnings.map(presentWarning).join(', '));
  }

  /** Streams a turn from the place that the client has seen, null from its beginning. A client that leaves stops nothing. */
  stream(turn: LiveTurn, reply: FastifyReply, seen: Position | null): void {
    let unfollow = (): void => undefined;
    const sse = this.streams.open(reply, () => unfollow());
    unfollow = streamTurn(turn, sse, seen);
  }
}

function presentWarning({ budget, period, used, limit }: BegunTurn['budgetWarnings'][number]): string {
  return `${budget};period=${period};used=${used};limit=${limit}`;
}
