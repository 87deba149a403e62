import { Body, Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../../kernel/actor.js';
import { prefersEvents } from '../../../platform/http/accept.js';
import { ApiProblems } from '../../../platform/http/api-problems.decorator.js';
import { LOCATION_HEADER, setLocation } from '../../../platform/http/api-responses.js';
import { CurrentActor } from '../../../platform/http/current-actor.decorator.js';
import { ApiIds, IdParam } from '../../../platform/http/id-param.decorator.js';
import { Scope } from '../../../platform/http/scope.decorator.js';
import { NoIdempotency, OwnIdempotency } from '../../../platform/idempotency/idempotency.interceptor.js';
import { IdempotencyKeys } from '../../../platform/idempotency/idempotency-keys.js';
import { presentMessage } from '../messages/message.presenter.js';
import { MessageResponse } from '../public/message.dto.js';
import { Turn } from '../public/turn-event.dto.js';
import { ApiTurnProblems } from './turn-problems.decorator.js';
import { TURN_HEADERS, TurnReplies } from './turn-replies.js';
import { presentTurn } from './turn-stream.js';
import { RegenerateMessageRequest, SendMessageRequest } from './turn.dto.js';
import { type BegunTurn, TurnsService } from './turns.service.js';

const ended = { type: Turn, headers: TURN_HEADERS, description: 'The turn has ended.' };
const running = {
  type: Turn,
  headers: { ...TURN_HEADERS, ...LOCATION_HEADER },
  description: 'With `background: true`: the turn goes on. `Location` is the path of the answer.',
};
const WAYS =
  'The response comes when the answer is complete. `background: true` responds at once with 202. `stream: true` responds with server-sent events; the operation for that is';

@ApiTags('Chat')
@Controller('chat')
export class TurnsController {
  constructor(
    private readonly turns: TurnsService,
    private readonly idempotencyKeys: IdempotencyKeys,
    private readonly replies: TurnReplies,
  ) {}

  @Scope('chat')
  @Post()
  @OwnIdempotency()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'sendMessage',
    summary: 'Send a message and get the answer',
    description: `Stores the message, in a new session when none is named, and asks the model. ${WAYS} \`streamMessage\`. The turn goes on when the client leaves; only \`stopMessage\` stops it. The turn counts against limits and budgets. When the provider fails, the message is kept and the answer has the status \`failed\`, so \`regenerateMessage\` can try again. A repeat with the same Idempotency-Key joins the same turn.`,
  })
  @ApiOkResponse(ended)
  @ApiAcceptedResponse(running)
  @ApiTurnProblems()
  async send(
    @CurrentActor() actor: Actor,
    @Body() body: SendMessageRequest,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const begun = await this.turns.send(actor, body, this.idempotencyKeys.of(request));
    await this.answer(actor, begun, body, request, reply);
  }

  @Scope('chat')
  @Post('messages/:message_id/regenerate')
  @OwnIdempotency()
  @HttpCode(200)
  @ApiIds('message_id')
  @ApiBody({ type: RegenerateMessageRequest, required: false })
  @ApiOperation({
    operationId: 'regenerateMessage',
    summary: 'Get another answer to the same question',
    description: `Asks the model again and stores the new answer beside the old one, which stays. \`message_id\` is the old answer or its question. ${WAYS} \`streamRegeneration\`. Errors and side effects are those of \`sendMessage\`.`,
  })
  @ApiOkResponse(ended)
  @ApiAcceptedResponse(running)
  @ApiTurnProblems()
  async regenerate(
    @CurrentActor() actor: Actor,
    @IdParam('message_id') messageId: string,
    @Body() body: RegenerateMessageRequest,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const begun = await this.turns.regenerate(actor, messageId, body, this.idempotencyKeys.of(request));
    await this.answer(actor, begun, body, request, reply);
  }

  @Scope('chat')
  @Post('messages/:message_id/stop')
  @NoIdempotency()
  @HttpCode(200)
  @ApiIds('message_id')
  @ApiOperation({
    operationId: 'stopMessage',
    summary: 'Stop an answer',
    description:
      'Stops the answer on whichever instance it is being written, and keeps the text so far. An answer that has ended stays as it is, so the request can be repeated.',
  })
  @ApiOkResponse({ type: MessageResponse, description: 'The answer as it is now.' })
  @ApiProblems('unauthenticated', 'not_found')
  async stop(@CurrentActor() actor: Actor, @IdParam('message_id') messageId: string): Promise<MessageResponse> {
    return presentMessage(await this.turns.stop(actor, messageId));
  }

  private async answer(
    actor: Actor,
    begun: BegunTurn,
    { background, stream }: RegenerateMessageRequest,
    { headers }: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const { turn } = begun;
    this.replies.setHeaders(begun, reply);
    if (background === true) {
      const { answer } = turn.started;
      setLocation(reply, `/chat/messages/${answer.id}`);
      return void reply.status(202).send(presentTurn(turn.started));
    }
    if (stream ?? prefersEvents(headers.accept)) return this.replies.stream(turn, reply, null);
    const { question } = turn.started;
    const answer = await this.turns.finish(actor, turn);
    void reply.send(presentTurn({ question, answer }));
  }
}
