import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  MaxLength,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { EXAMPLE_IDS } from '../../../platform/http/api-schema.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';
import type { ContentPart } from '../../llm/public/llm-provider.js';
import { ModelParams } from '../../projects/public/model-params.dto.js';
import { CONFLICT_POLICIES, type ConflictPolicy } from '../../projects/public/turn-policy.js';
import { IsMessageContent, IsMessageParts } from '../messages/message-content.decorator.js';
import { contentPartRef, type MessagePart } from '../public/message.dto.js';

/** A switch that is off when it is absent or null. */
const Switch = (description: string): PropertyDecorator =>
  applyDecorators(ApiPropertyOptional({ type: Boolean, nullable: true, description }), IsOptional(), IsBoolean());

const AnswersAsStream = (): PropertyDecorator =>
  Switch(
    'true: the response is a stream of server-sent events, as of the streaming operation. false: it is JSON. When absent, the `Accept` header decides.',
  );

const AnswersInBackground = (): PropertyDecorator =>
  Switch('true: the response is 202 at once, and the turn goes on. Follow it with `followMessage`.');

/** Options for the answer. */
export class AnswerOptions {
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    minLength: 1,
    maxLength: 200,
    description: 'Replaces the model of the project for this answer. Fallbacks keep their own models.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  model?: string | null;

  @ApiPropertyOptional({
    type: ModelParams,
    description: 'Sampling settings for this answer. Each one replaces the setting of the project.',
  })
  @ValidateIf(({ params }: AnswerOptions) => params !== undefined)
  @IsObject()
  @ValidateNested()
  @Type(() => ModelParams)
  params?: ModelParams;

  @ApiPropertyOptional({
    enum: CONFLICT_POLICIES,
    example: 'queue',
    description:
      'What to do while an answer of the session is being written: `reject` this message, `queue` it, or `interrupt` the running answer. The policy of the project applies when absent.',
  })
  @ValidateIf(({ on_conflict }: AnswerOptions) => on_conflict !== undefined)
  @IsIn(CONFLICT_POLICIES)
  on_conflict?: ConflictPolicy;
}

export class StreamRegenerationRequest extends AnswerOptions {}

export class RegenerateMessageRequest extends AnswerOptions {
  @AnswersAsStream()
  stream?: boolean;

  @AnswersInBackground()
  background?: boolean;
}

/** A message with options for its answer. */
export class StreamMessageRequest extends AnswerOptions {
  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    example: EXAMPLE_IDS.project,
    description: 'The project of a new session. Needed unless `session_id` is sent.',
  })
  @ValidateIf(({ session_id, project_id }: StreamMessageRequest) => session_id == null || project_id != null)
  @IsUUID(undefined, { message: 'must be the id of a project; only with session_id it can be left out' })
  project_id?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The session to continue. A new session is created when absent.',
  })
  @IsOptional()
  @IsUUID()
  session_id?: string;

  @ApiPropertyOptional({
    type: String,
    minLength: 1,
    example: 'What should I see in Lisbon?',
    description: 'The text of the message. Send either `message` or `parts`.',
  })
  @ValidateIf(({ message, parts }: StreamMessageRequest) => message !== undefined || parts === undefined)
  @IsMessageContent()
  message?: string | ContentPart[];

  @ApiPropertyOptional({
    type: 'array',
    minItems: 1,
    maxItems: 50,
    items: contentPartRef,
    description: 'The message as texts and images, in order. Send either `parts` or `message`.',
  })
  @ValidateIf(({ parts }: StreamMessageRequest) => parts !== undefined)
  @IsMessageParts()
  parts?: MessagePart[];

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      'The answer to continue from, in a branch of its own. null begins a branch beside the first message. The newest message is continued when absent.',
  })
  @ValidateIf(({ parent_id }: StreamMessageRequest) => parent_id !== undefined && parent_id !== null)
  @IsUUID()
  parent_id?: string | null;
}

export class SendMessageRequest extends StreamMessageRequest {
  @AnswersAsStream()
  stream?: boolean;

  @AnswersInBackground()
  background?: boolean;
}

export class FollowQuery {
  @ApiPropertyOptional({
    maxLength: 40,
    description: 'The id of the last event that the client has seen, like the header `Last-Event-ID`.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(40)
  after?: string;
}
