import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID } from 'class-validator';
import { PageQuery, PageResponse } from '../../../platform/http/page.dto.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';
import { MessageResponse } from '../public/message.dto.js';

export class ListMessagesQuery extends PageQuery {
  @ApiPropertyOptional({
    enum: ['asc', 'desc'],
    description: '`asc`: oldest first. `desc`: newest first. `asc` when absent.',
  })
  @IsOptional()
  @IsIn(['asc', 'desc'])
  order: 'asc' | 'desc' = 'asc';

  @ApiPropertyOptional({
    enum: ['path', 'all'],
    description:
      '`path`: the messages on the way to the newest one, or to `leaf_id`. `all`: every branch. `path` when absent.',
  })
  @IsOptional()
  @IsIn(['path', 'all'])
  view: 'path' | 'all' = 'path';

  @ApiPropertyOptional({
    format: 'uuid',
    description: 'The message at the end of the path. The newest message when absent.',
  })
  @IsOptional()
  @IsUUID()
  leaf_id?: string;
}

/** A message with its siblings. */
export class MessageNode extends MessageResponse {
  @ApiProperty({
    type: [String],
    format: 'uuid',
    description: 'All messages that continue the same message, this one included, oldest first.',
  })
  sibling_ids: string[];
}

export class RateMessageRequest {
  @ApiProperty({ enum: ['up', 'down'], example: 'up', description: 'Whether the answer was good.' })
  @IsIn(['up', 'down'])
  rating: 'up' | 'down';

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    minLength: 1,
    maxLength: 5000,
    example: 'Just what I needed.',
    description: 'A remark in your own words.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 5000)
  @IsStorableText()
  comment?: string | null;
}

export class MessagePage extends PageResponse {
  @ApiProperty({ type: [MessageNode] })
  data: MessageNode[];
}
