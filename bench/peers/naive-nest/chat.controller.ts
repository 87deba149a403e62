import { Body, Controller, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { Request, Response } from 'express';
import { JwtAuthGuard } from './auth.js';
import { SendMessageDto } from './chat.dto.js';
import { ChatService } from './chat.service.js';
import type { Message, User } from './entities.js';

@Controller('chat')
@UseGuards(JwtAuthGuard)
export class ChatController {
  constructor(private readonly chat: ChatService) {}

  @Post()
  @HttpCode(200)
  async send(
    @Req() request: Request & { user: User },
    @Body() dto: SendMessageDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<unknown> {
    const { question, context } = await this.chat.begin(request.user, dto);
    const user_message = present(question);
    if (dto.stream !== true) {
      const assistant_message = present(await this.chat.answer(question, context));
      return { session_id: question.sessionId, user_message, assistant_message };
    }
    response.setHeader('content-type', 'text/event-stream');
    const send = (event: string, data: unknown): void =>
      void response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    send('turn.started', { session_id: question.sessionId, user_message });
    const answer = await this.chat.streamAnswer(question, context, (text) => send('message.delta', { text }));
    send('turn.completed', { assistant_message: present(answer) });
    response.end();
    return undefined;
  }
}

function present({ id, sessionId, role, content, model, inputTokens, outputTokens, createdAt }: Message): unknown {
  return {
    id,
    session_id: sessionId,
    role,
    content,
    status: 'completed',
    model: model ?? null,
    usage: inputTokens == null ? null : { input_tokens: inputTokens, output_tokens: outputTokens },
    created_at: createdAt,
  };
}
