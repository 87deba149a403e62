import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length } from 'class-validator';
import { PageQuery } from '../../platform/http/page.dto.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';
import { Message } from './public/message.dto.js';

export class ListMessagesQuery extends PageQuery {
  @ApiPropertyOptional({ enum: ['asc', 'desc'], default: 'asc', description: 'asc: oldest first; desc: newest first.' })
  @IsOptional()
  @IsIn(['asc', 'desc'])
  order: 'asc' | 'desc' = 'asc';
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
  @ApiProperty({ type: [Message] })
  data: Message[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
