import { Body, Controller, Delete, Get, HttpCode, Put, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../../kernel/actor.js';
import { ApiProblems } from '../../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../../platform/http/current-actor.decorator.js';
import { Cursors } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/page.dto.js';
import { Scope } from '../../../platform/http/scope.decorator.js';
import { AnswersAnew, Idempotent } from '../../../platform/idempotency/idempotency.interceptor.js';
import { Owned } from '../../../platform/ownership/owned.decorator.js';
import { ListMessagesQuery, type MessageNode, MessagePage, RateMessageRequest } from './message.dto.js';
import type { ChatSession } from '../sessions/chat-session.entity.js';
import type { Message } from '../message.entity.js';
import { presentMessage } from './message.presenter.js';
import { type MessageInPlace, MessagesService } from './messages.service.js';
import { MessageResponse } from '../public/message.dto.js';

@ApiTags('Chat')
@Controller('chat')
@ApiProblems('unauthenticated', 'not_found')
export class MessagesController {
  constructor(
    private readonly messages: MessagesService,
    private readonly cursors: Cursors,
  ) {}

  @Scope('read')
  @Get('sessions/:session_id/messages')
  @ApiOperation({
    operationId: 'listMessages',
    summary: 'List messages',
    description:
      'The messages of a session: the path to the newest message, or all branches. 404 with the pointer `?leaf_id`: the session has no such message.',
  })
  @ApiOkResponse({ type: MessagePage })
  @ApiProblems('validation_failed', 'invalid_cursor')
  async list(
    @CurrentActor() actor: Actor,
    @Owned('session_id') session: ChatSession,
    @Query() query: ListMessagesQuery,
  ): Promise<Page<MessageNode>> {
    const scope = `messages ${actor.userId} ${session.id} ${query.order} ${query.view} ${query.leaf_id ?? ''}`;
    const position = this.cursors.position(scope, query);
    const rows = await this.messages.list(actor, session, query, position === null ? null : Number(position[0]));
    return this.cursors.page(scope, query, rows, ({ message }) => [message.seq], presentNode);
  }

  @Scope('read', 'chat')
  @Get('messages/:message_id')
  @ApiOperation({
    operationId: 'getMessage',
    summary: 'Get a message',
    description: 'One message. While an answer is being written, its text comes by `followMessage`.',
  })
  @ApiOkResponse({ type: MessageResponse })
  get(@Owned('message_id') message: Message): MessageResponse {
    return presentMessage(message);
  }

  @Scope('chat')
  @Idempotent()
  @Put('messages/:message_id/feedback')
  @AnswersAnew()
  @ApiOperation({
    operationId: 'rateMessage',
    summary: 'Rate an answer',
    description:
      'Stores whether the answer was good, with an optional comment. Replaces an earlier rating. Only answers can be rated.',
  })
  @ApiOkResponse({ type: MessageResponse })
  @ApiProblems('validation_failed')
  async rate(
    @CurrentActor() actor: Actor,
    @Owned('message_id') message: Message,
    @Body() body: RateMessageRequest,
  ): Promise<MessageResponse> {
    return presentMessage(await this.messages.rate(actor, message, body));
  }

  @Scope('chat')
  @Idempotent()
  @Delete('messages/:message_id/feedback')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'unrateMessage',
    summary: 'Remove a rating',
    description: 'Removes the rating and its comment. Nothing happens when there is none.',
  })
  @ApiNoContentResponse()
  unrate(@CurrentActor() actor: Actor, @Owned('message_id') { id }: Message): Promise<void> {
    return this.messages.unrate(actor, id);
  }
}

function presentNode({ message, siblingIds }: MessageInPlace): MessageNode {
  return { ...presentMessage(message), sibling_ids: siblingIds };
}
