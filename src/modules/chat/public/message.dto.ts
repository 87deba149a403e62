import { ApiExtraModels, ApiProperty, ApiPropertyOptional, ApiSchema, getSchemaPath } from '@nestjs/swagger';
import { ANSWERER_NAMES, type AnswererName } from '../../../kernel/provider-name.js';
import { INT32, INT64 } from '../../../platform/http/api-schema.js';
import { Problem } from '../../../platform/http/problem.js';
import type { ContentPart } from '../../llm/public/llm-provider.js';
import { MESSAGE_STATUSES, type MessageStatus } from '../messages/message.entity.js';

export const IMAGE_DETAILS = ['auto', 'low', 'high'] as const;

export class TextPart {
  @ApiProperty({ enum: ['text'] })
  type: 'text';

  @ApiProperty({ minLength: 1 })
  text: string;
}

export class ImagePart {
  @ApiProperty({ enum: ['image'] })
  type: 'image';

  @ApiPropertyOptional({
    description: 'An http(s) address, or a `data:` URL of a png, jpeg, gif or webp image. Requests need it.',
  })
  url?: string;

  @ApiPropertyOptional({
    enum: IMAGE_DETAILS,
    enumName: 'ImageDetail',
    description: 'How closely the model looks at the image. The provider decides when it is absent.',
  })
  detail?: (typeof IMAGE_DETAILS)[number];
}

/** One part of a message. In the OpenAPI document it is the union `ContentPart`. */
export type MessagePart = TextPart | ImagePart;

export const contentPartSchema = {
  description: 'One part of a message. Its `type` says which. More types may be added to what messages contain.',
  oneOf: [{ $ref: getSchemaPath(TextPart) }, { $ref: getSchemaPath(ImagePart) }],
  discriminator: {
    propertyName: 'type',
    mapping: { text: getSchemaPath(TextPart), image: getSchemaPath(ImagePart) },
  },
};
export const contentPartRef = { $ref: getSchemaPath('ContentPart') };

export class Usage {
  @ApiProperty({ ...INT64, nullable: true })
  input_tokens: number | null;

  @ApiProperty({ ...INT64, nullable: true })
  output_tokens: number | null;

  @ApiProperty({
    ...INT64,
    nullable: true,
    description: 'The part of the input tokens that came from a cache of the provider.',
  })
  cached_input_tokens: number | null;

  @ApiProperty({ description: 'true: this server counted the tokens, because the provider did not report them.' })
  estimated: boolean;
}

export class MessageContext {
  @ApiProperty({
    ...INT32,
    description:
      'Messages that the model got word for word, with the question and without prompts. With `summarised` and `dropped` it adds up to the whole conversation.',
  })
  messages_sent: number;

  @ApiProperty({ ...INT32, description: 'The oldest messages, which a summary replaced.' })
  summarised: number;

  @ApiProperty({ ...INT32, description: 'Messages that were left out for lack of room.' })
  dropped: number;

  @ApiProperty({
    ...INT64,
    description:
      'Tokens of everything that was sent, with prompts, as this server counts them. `usage` has the count of the provider.',
  })
  input_tokens: number;
}

export class Feedback {
  @ApiProperty({ enum: ['up', 'down'], enumName: 'Rating' })
  rating: 'up' | 'down';

  @ApiProperty({ type: String, nullable: true })
  comment: string | null;
}

@ApiExtraModels(TextPart, ImagePart)
@ApiSchema({ name: 'Message' })
export class MessageResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  session_id: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The message that this one answers or continues. null: it begins the conversation.',
  })
  parent_id: string | null;

  @ApiProperty({ enum: ['user', 'assistant'], enumName: 'MessageRole' })
  role: 'user' | 'assistant';

  @ApiProperty({ description: 'All text of the message. Empty while there is none.' })
  text: string;

  @ApiProperty({
    type: 'array',
    items: contentPartRef,
    description: 'The content of the message in order. Empty while there is none.',
  })
  parts: MessagePart[];

  @ApiProperty({
    anyOf: [{}],
    deprecated: true,
    description:
      'The form before `text` and `parts`, for older clients: a text, or a list of parts as in the API of OpenAI when there are images.',
  })
  content: string | ContentPart[];

  @ApiProperty({
    enum: MESSAGE_STATUSES,
    enumName: 'MessageStatus',
    description: '`pending` and `streaming` messages are still being written; all others have ended.',
  })
  status: MessageStatus;

  @ApiProperty({
    nullable: true,
    enum: ['stop', 'length', 'content_filter', 'tool_calls', 'other'],
    enumName: 'FinishReason',
    description: 'Why the model ended its answer. null: it has not, or nobody knows.',
  })
  finish_reason: string | null;

  @ApiProperty({
    nullable: true,
    enum: ANSWERER_NAMES,
    enumName: 'AnswererName',
    description:
      'The provider that answered. `offline`: no model did. `custom`: the server at the address that the project has set.',
  })
  provider: AnswererName | null;

  @ApiProperty({ type: String, nullable: true, description: 'The model that answered, as the provider names it.' })
  model: string | null;

  @ApiProperty({ type: Usage, nullable: true })
  usage: Usage | null;

  @ApiProperty({ ...INT64, nullable: true, description: 'Millionths of a US dollar. null: the cost is not known.' })
  cost_micro_usd: number | null;

  @ApiProperty({ type: Problem, nullable: true, description: 'Why the answer failed or was interrupted.' })
  error: Problem | null;

  @ApiProperty({
    type: MessageContext,
    nullable: true,
    description: 'What the model was given to read. null: the message is from a user, or no model was asked.',
  })
  context: MessageContext | null;

  @ApiProperty({ type: Feedback, nullable: true })
  feedback: Feedback | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the message ended, however it ended. null: it is still being written.',
  })
  completed_at: string | null;
}
