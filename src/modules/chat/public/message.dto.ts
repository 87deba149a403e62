import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { ANSWERER_NAMES, type AnswererName } from '../../../kernel/provider-name.js';
import { Problem } from '../../../platform/http/problem.js';
import type { ContentPart } from '../../llm/public/llm-provider.js';
import { MESSAGE_STATUSES, type MessageStatus } from '../message.entity.js';

export class TextPart {
  @ApiProperty({ enum: ['text'] })
  type: 'text';

  @ApiProperty()
  text: string;
}

export class ImageUrl {
  @ApiProperty({ description: 'https:// address or data: URL of an image.' })
  url: string;

  @ApiPropertyOptional({ enum: ['auto', 'low', 'high'] })
  detail?: 'auto' | 'low' | 'high';
}

export class ImagePart {
  @ApiProperty({ enum: ['image_url'] })
  type: 'image_url';

  @ApiProperty({ type: ImageUrl })
  image_url: ImageUrl;
}

/** Text, or parts as OpenAI's API has them. */
export const messageContentSchema = {
  oneOf: [
    { type: 'string' },
    { type: 'array', items: { oneOf: [{ $ref: getSchemaPath(TextPart) }, { $ref: getSchemaPath(ImagePart) }] } },
  ],
};

export class Usage {
  @ApiProperty({ type: 'integer', nullable: true })
  input_tokens: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  output_tokens: number | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'The part of input_tokens that came from the cache of the provider.',
  })
  cached_input_tokens: number | null;

  @ApiProperty({ description: 'Counted here, because the provider gave no counts.' })
  estimated: boolean;
}

export class MessageContext {
  @ApiProperty({
    type: 'integer',
    description:
      'Messages that the model got word for word, the question included; prompts are not counted. With the next two it adds up to the whole conversation.',
  })
  messages_sent: number;

  @ApiProperty({ type: 'integer', description: 'The oldest messages, for which a summary stood.' })
  summarised: number;

  @ApiProperty({ type: 'integer', description: 'Messages that there was no room for.' })
  dropped: number;

  @ApiProperty({
    type: 'integer',
    description: "Tokens of all that was sent, prompts included, by this server's count; `usage` has the provider's.",
  })
  input_tokens: number;
}

export class Feedback {
  @ApiProperty({ enum: ['up', 'down'] })
  rating: 'up' | 'down';

  @ApiProperty({ type: String, nullable: true })
  comment: string | null;
}

@ApiExtraModels(TextPart, ImagePart)
export class Message {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  session_id: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'What it answers or continues; null at the beginning.',
  })
  parent_id: string | null;

  @ApiProperty({ enum: ['user', 'assistant'] })
  role: 'user' | 'assistant';

  @ApiProperty(messageContentSchema)
  content: string | ContentPart[];

  @ApiProperty({ enum: MESSAGE_STATUSES })
  status: MessageStatus;

  @ApiProperty({ type: String, nullable: true, enum: ['stop', 'length', 'content_filter', 'tool_calls', 'other'] })
  finish_reason: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    enum: ANSWERER_NAMES,
    description:
      "What answered; `offline` means that no model did, `custom` that it was the server of the project's own address.",
  })
  provider: AnswererName | null;

  @ApiProperty({ type: String, nullable: true })
  model: string | null;

  @ApiProperty({ type: Usage, nullable: true })
  usage: Usage | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'Millionths of a US dollar; null when it is not known.',
  })
  cost_micro_usd: number | null;

  @ApiProperty({ type: Problem, nullable: true, description: 'Why it failed or was interrupted.' })
  error: Problem | null;

  @ApiProperty({
    type: MessageContext,
    nullable: true,
    description: 'What the model was given to read; null for what users write and when no model was asked.',
  })
  context: MessageContext | null;

  @ApiProperty({ type: Feedback, nullable: true })
  feedback: Feedback | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  completed_at: string | null;
}
