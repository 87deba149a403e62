import { ApiExtraModels, ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
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
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';
import type { ContentPart } from '../../llm/public/llm-provider.js';
import { ModelParams } from '../../projects/public/model-params.dto.js';
import { CONFLICT_POLICIES, type ConflictPolicy } from '../../projects/public/turn-policy.js';
import { IsMessageContent } from '../messages/message-content.decorator.js';
import { ImagePart, messageContentSchema, TextPart } from '../public/message.dto.js';

/** How an answer is asked for, whichever way. */
export class AnswerOptions {
  @ApiPropertyOptional({
    type: Boolean,
    nullable: true,
    default: false,
    description: 'Answer as server-sent events; so does `Accept: text/event-stream`.',
  })
  @IsOptional()
  @IsBoolean()
  stream?: boolean;

  @ApiPropertyOptional({
    type: Boolean,
    nullable: true,
    default: false,
    description: 'Answer at once with 202; follow the turn on its `events` route.',
  })
  @IsOptional()
  @IsBoolean()
  background?: boolean;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 200,
    description: "Instead of the project's model. Its fallbacks keep their own.",
  })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  model?: string | null;

  @ApiPropertyOptional({ type: ModelParams, description: "Go over the project's, one by one." })
  @ValidateIf(({ params }: AnswerOptions) => params !== undefined)
  @IsObject()
  @ValidateNested()
  @Type(() => ModelParams)
  params?: ModelParams;

  @ApiPropertyOptional({
    enum: CONFLICT_POLICIES,
    description: "Instead of the project's policy for a message that comes while an answer is being written.",
  })
  @ValidateIf(({ on_conflict }: AnswerOptions) => on_conflict !== undefined)
  @IsIn(CONFLICT_POLICIES)
  on_conflict?: ConflictPolicy;
}

@ApiExtraModels(TextPart, ImagePart)
export class SendMessageRequest extends AnswerOptions {
  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Needed unless session_id is given.',
  })
  @ValidateIf(({ session_id, project_id }: SendMessageRequest) => session_id == null || project_id != null)
  @IsUUID(undefined, { message: 'must be the id of a project; only with session_id it can be left out' })
  project_id?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Without it a new session is made.',
  })
  @IsOptional()
  @IsUUID()
  session_id?: string;

  @ApiProperty({ ...messageContentSchema, example: 'What should I see in Lisbon?' })
  @IsMessageContent()
  message: string | ContentPart[];

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      'Branch from this answer; null begins anew beside the first message. Without it the newest message is continued.',
  })
  @ValidateIf(({ parent_id }: SendMessageRequest) => parent_id !== undefined && parent_id !== null)
  @IsUUID()
  parent_id?: string | null;
}

export class FollowQuery {
  @ApiPropertyOptional({ description: 'The id of the event seen last, like the header Last-Event-ID.' })
  @IsOptional()
  @IsString()
  @MaxLength(40)
  after?: string;
}
