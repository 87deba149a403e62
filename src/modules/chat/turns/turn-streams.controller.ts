import { Body, Controller, Get, Headers, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { ApiProblems } from '../../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../../platform/http/current-actor.decorator.js';
import { Scope } from '../../../platform/http/scope.decorator.js';
import { OwnIdempotency } from '../../../platform/idempotency/idempotency.interceptor.js';
import { IdempotencyKeys } from '../../../platform/idempotency/idempotency-keys.js';
import { OwnedId } from '../../../platform/ownership/owned.decorator.js';
import { ApiTurnProblems } from './turn-problems.decorator.js';
import { EVENT_STREAM, TURN_HEADERS, TurnReplies } from './turn-replies.js';
import { parseEventId } from './turn-stream.js';
import { FollowQuery, StreamMessageRequest, StreamRegenerationRequest } from './turn.dto.js';
import { type BegunTurn, TurnsService } from './turns.service.js';

const events = {
  headers: TURN_HEADERS,
  content: EVENT_STREAM,
  description:
    'One `turn.started`, any number of `message.delta` and `turn.restarted`, then one of `turn.completed`, `turn.stopped` and `turn.failed`.',
};
const STREAM =
  'Every event has an id. When the connection breaks, `followMessage` continues after the last id that the client has seen. A failure before the first event is an ordinary error response.';

@ApiTags('Chat')
@Controller('chat')
export class TurnStreamsController {
  constructor(
    private readonly turns: TurnsService,
    private readonly keys: IdempotencyKeys,
    private readonly replies: TurnReplies,
  ) {}

  @Scope('chat')
  @Post('stream')
  @OwnIdempotency()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'streamMessage',
    summary: 'Send a message and stream the answer',
    description: `Does what \`sendMessage\` does, and responds with server-sent events while the answer is being written. ${STREAM} The turn goes on when the client leaves; only \`stopMessage\` stops it.`,
  })
  @ApiOkResponse(events)
  @ApiTurnProblems()
  async send(
    @CurrentActor() actor: Actor,
    @Body() body: StreamMessageRequest,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    this.stream(await this.turns.send(actor, body, this.keys.of(request)), reply);
  }

  @Scope('chat')
  @Post('messages/:message_id/regenerate/stream')
  @OwnIdempotency()
  @HttpCode(200)
  @ApiBody({ type: StreamRegenerationRequest, required: false })
  @ApiOperation({
    operationId: 'streamRegeneration',
    summary: 'Stream another answer to the same question',
    description: `Does what \`regenerateMessage\` does, and responds with server-sent events while the answer is being written. ${STREAM}`,
  })
  @ApiOkResponse(events)
  @ApiTurnProblems()
  async regenerate(
    @CurrentActor() actor: Actor,
    @OwnedId('message_id') messageId: string,
    @Body() body: StreamRegenerationRequest,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    this.stream(await this.turns.regenerate(actor, messageId, body, this.keys.of(request)), reply);
  }

  @Scope('read', 'chat')
  @Get('messages/:message_id/events')
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'The id of the last event that the client has seen. The stream continues after it.',
    schema: { type: 'string', maxLength: 40 },
  })
  @ApiOperation({
    operationId: 'followMessage',
    summary: 'Stream the events of a turn',
    description:
      'Streams a turn that runs, waits or has ended, on any instance, from the beginning or after the event that the client names. `message_id` is the answer. A following client changes nothing.',
  })
  @ApiOkResponse({ description: 'The events after the one that the client has seen.', content: EVENT_STREAM })
  @ApiNoContentResponse({ description: 'The client has seen the last event already: do not reconnect.' })
  @ApiProblems('unauthenticated', 'not_found', 'validation_failed')
  async follow(
    @CurrentActor() actor: Actor,
    @OwnedId('message_id') messageId: string,
    @Query() { after }: FollowQuery,
    @Res() reply: FastifyReply,
    @Headers('Last-Event-ID') lastEventId?: string,
  ): Promise<void> {
    // EventSource reconnects to the same URL and adds the header, so the header is newer.
    const last = lastEventId ?? after;
    const seen = last === undefined ? undefined : parseEventId(last);
    if (seen === null)
      throw AppError.invalid(
        lastEventId === undefined ? '?after' : 'Last-Event-ID',
        'must be the id of an event of this turn',
      );
    const turn = await this.turns.follow(actor, messageId);
    // 204 tells EventSource not to reconnect.
    if (seen === 'end') return void reply.status(204).send();
    this.replies.stream(turn, reply, seen ?? null);
  }

  private stream(begun: BegunTurn, reply: FastifyReply): void {
    this.replies.setHeaders(begun, reply);
    this.replies.stream(begun.turn, reply, null);
  }
}
