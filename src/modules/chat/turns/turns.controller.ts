import { Body, Controller, Get, Headers, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { ApiProblems } from '../../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../../platform/http/current-actor.decorator.js';
import { ApiIds, IdParam } from '../../../platform/http/id-param.decorator.js';
import { IdempotencyKeys } from '../../../platform/idempotency/idempotency-keys.js';
import { NoIdempotency, OwnIdempotency } from '../../../platform/idempotency/idempotency.interceptor.js';
import { markReplayed } from '../../../platform/idempotency/idempotent-writes.js';
import { rateLimitHeaders } from '../../../platform/rate-limit/rate-limiter.js';
import { SseStreams } from '../../../platform/http/sse.js';
import { Scope } from '../../../platform/http/scope.decorator.js';
import type { LiveTurn, Position } from '../following/live-turn.js';
import { presentMessage } from '../messages/message.presenter.js';
import { Message } from '../public/message.dto.js';
import { Turn, turnEventRef } from '../public/turn-event.dto.js';
import { parseEventId, presentTurn, streamTurn } from './turn-stream.js';
import { AnswerOptions, FollowQuery, SendMessageRequest } from './turn.dto.js';
import { type BegunTurn, TurnsService } from './turns.service.js';

const EVENT_STREAM = 'text/event-stream';

const BUDGET_WARNING = 'parley-budget-warning';
const headers = {
  'Parley-Budget-Warning': {
    description:
      'From 80 % of a budget on, with the worst case of this turn and of those that run; amounts in micro-dollars.',
    schema: { type: 'string' },
    example: 'account;period=day;used=4100000;limit=5000000',
  },
} as const;

const eventStream = { [EVENT_STREAM]: { schema: turnEventRef } };

const turnResponse = {
  description:
    'The turn is over. As `text/event-stream`: one `turn.started`, any number of `message.delta`, one of `turn.completed`, `turn.stopped` and `turn.failed`.',
  headers,
  content: { 'application/json': { schema: { $ref: getSchemaPath(Turn) } }, ...eventStream },
};

@ApiTags('Chat')
@Controller('chat')
@ApiProblems('unauthenticated', 'not_found')
export class TurnsController {
  constructor(
    private readonly turns: TurnsService,
    private readonly keys: IdempotencyKeys,
    private readonly streams: SseStreams,
  ) {}

  @Scope('chat')
  @Post()
  @OwnIdempotency()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'sendMessage',
    summary: 'Send a message and get the answer: whole, streamed, or in the background',
  })
  @ApiOkResponse(turnResponse)
  @ApiAcceptedResponse({ type: Turn, headers, description: '`background: true`: the turn runs.' })
  @ApiProblems(...turnProblems())
  async send(
    @CurrentActor() actor: Actor,
    @Body() body: SendMessageRequest,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.answer(actor, await this.turns.send(actor, body, this.keys.of(request)), body, request, reply);
  }

  @Scope('chat')
  @Post('messages/:message_id/regenerate')
  @OwnIdempotency()
  @HttpCode(200)
  @ApiIds('message_id')
  @ApiOperation({
    operationId: 'regenerateMessage',
    summary: 'Get another answer to the same question, beside the one there is',
  })
  @ApiOkResponse(turnResponse)
  @ApiAcceptedResponse({ type: Turn, headers, description: '`background: true`: the turn runs.' })
  @ApiProblems(...turnProblems())
  async regenerate(
    @CurrentActor() actor: Actor,
    @IdParam('message_id') messageId: string,
    @Body() body: AnswerOptions,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.answer(
      actor,
      await this.turns.regenerate(actor, messageId, body, this.keys.of(request)),
      body,
      request,
      reply,
    );
  }

  @Scope('read', 'chat')
  @Get('messages/:message_id/events')
  @ApiIds('message_id')
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'The id of the event seen last; the stream goes on after it.',
  })
  @ApiOperation({
    operationId: 'followMessage',
    summary: 'The events of a turn, running or over, from the beginning or from where a client was',
  })
  @ApiOkResponse({ description: 'The events after the one seen last.', content: eventStream })
  @ApiNoContentResponse({ description: 'The event seen last was the end: nothing follows.' })
  @ApiProblems('validation_failed')
  async follow(
    @CurrentActor() actor: Actor,
    @IdParam('message_id') messageId: string,
    @Query() { after }: FollowQuery,
    @Res() reply: FastifyReply,
    @Headers('Last-Event-ID') lastEventId?: string,
  ): Promise<void> {
    // EventSource keeps its address when it comes back, and adds the header: the header is newer.
    const last = lastEventId ?? after;
    const seen = last === undefined ? undefined : parseEventId(last);
    if (seen === null)
      throw AppError.invalid(
        lastEventId === undefined ? '?after' : 'Last-Event-ID',
        'must be the id of an event of this turn',
      );
    const turn = await this.turns.follow(actor, messageId);
    // EventSource takes 204 as "do not come back".
    if (seen === 'end') return void reply.status(204).send();
    this.stream(turn, reply, seen ?? null);
  }

  @Scope('chat')
  @Post('messages/:message_id/stop')
  @NoIdempotency()
  @HttpCode(200)
  @ApiIds('message_id')
  @ApiOperation({
    operationId: 'stopMessage',
    summary: 'Stop an answer and keep its text; one that is over stays as it is',
  })
  @ApiOkResponse({ type: Message })
  async stop(@CurrentActor() actor: Actor, @IdParam('message_id') messageId: string): Promise<Message> {
    return presentMessage(await this.turns.stop(actor, messageId));
  }

  private async answer(
    actor: Actor,
    { turn, isReplay, allowances, budgetWarnings }: BegunTurn,
    options: AnswerOptions,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    if (isReplay) markReplayed(reply);
    void reply.headers(rateLimitHeaders(allowances));
    if (budgetWarnings.length > 0) void reply.header(BUDGET_WARNING, budgetWarnings.map(presentWarning).join(', '));
    if (options.background === true) return void reply.status(202).send(presentTurn(turn.started));
    if (options.stream ?? acceptsEvents(request)) return this.stream(turn, reply, null);
    const { question } = turn.started;
    const answer = await this.turns.finish(actor, turn);
    void reply.send(presentTurn({ question, answer }));
  }

  /** A client that goes away stops reading; the turn goes on. */
  private stream(turn: LiveTurn, reply: FastifyReply, seen: Position | null): void {
    let unfollow = (): void => undefined;
    const sse = this.streams.open(reply, () => unfollow());
    unfollow = streamTurn(turn, sse, seen);
  }
}

function acceptsEvents({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes(EVENT_STREAM) === true;
}

function presentWarning({ budget, period, used, limit }: BegunTurn['budgetWarnings'][number]): string {
  return `${budget};period=${period};used=${used};limit=${limit}`;
}

function turnProblems(): Parameters<typeof ApiProblems> {
  return [
    'quota_exceeded',
    'price_unknown',
    'turn_in_progress',
    'idempotency_key_in_use',
    'idempotency_key_reused',
    'validation_failed',
    'context_too_large',
    'rate_limited',
    'provider_not_configured',
    'provider_address_refused',
    'model_not_found',
    'provider_unreachable',
    'provider_key_refused',
    'project_key_refused',
    'provider_rejected',
    'provider_bad_response',
    'provider_disconnected',
    'provider_error',
    'provider_credit_exhausted',
    'project_credit_exhausted',
    'provider_rate_limited',
    'provider_overloaded',
    'provider_timeout',
    'provider_circuit_open',
    'provider_busy',
    'overloaded',
    'turn_interrupted',
    'database_unavailable',
    'shutting_down',
  ];
}
