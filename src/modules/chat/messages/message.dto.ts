import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID } from 'class-validator';
import { PageQuery } from '../../../platform/http/page.dto.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';
import { MessageResponse } from '../public/message.dto.js';

export class ListMessagesQuery extends PageQuery {
  @ApiPropertyOptional({ enum: ['asc', 'desc'], default: 'asc', description: 'asc: oldest first; desc: newest first.' })
  @IsOptional()
  @IsIn(['asc', 'desc'])
  order: 'asc' | 'desc' = 'asc';

  @ApiPropertyOptional({
    enum: ['path', 'all'],
    default: 'path',
    description: 'path: what was said on the way to the newest message (or to leaf_id); all: every branch.',
  })
  @IsOptional()
  @IsIn(['path', 'all'])
  view: 'path' | 'all' = 'path';

  @ApiPropertyOptional({ format: 'uuid', description: 'The end of the path, instead of the newest message.' })
  @IsOptional()
  @IsUUID()
  leaf_id?: string;
}

/** A message in its place: the others that stand beside it are branches. */
export class MessageNode extends MessageResponse {
  @ApiProperty({
    type: [String],
    format: 'uuid',
    description: 'All messages that continue the same one, this one included, in the order of their making.',
  })
  sibling_ids: string[];
}

export class RateMessageRequest {
  @ApiProperty({ enum: ['up', 'down'] })
  @IsIn(['up', 'down'])
  rating: 'up' | 'down';

  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 5000 })
  @IsOptional()
  @IsString()
  @Length(1, 5000)
  @IsStorableText()
  comment?: string | null;
}

export class MessagePage {
  @ApiProperty({ type: [MessageNode] })
  data: MessageNode[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
