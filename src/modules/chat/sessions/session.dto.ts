import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsObject, IsOptional, IsString, IsUUID, ValidateIf } from 'class-validator';
import { EXAMPLE_IDS } from '../../../platform/http/api-schema.js';
import { PageQuery, PageResponse } from '../../../platform/http/page.dto.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsSmallJson } from '../../../platform/http/small-json.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';

const metadata = {
  type: 'object',
  additionalProperties: true,
  example: { source: 'web' },
  description: 'Any small JSON object that the client wants to keep with the session: at most 16 KiB and 8 levels.',
} as const;

const title = {
  type: String,
  nullable: true,
  minLength: 1,
  maxLength: 200,
  example: 'A weekend in Lisbon',
  description: 'Without a title, the session gets one from its first message, unless its project encrypts its content.',
} as const;

export class CreateSessionRequest {
  @ApiProperty({ format: 'uuid', example: EXAMPLE_IDS.project, description: 'The project of the session.' })
  @IsUUID()
  project_id: string;

  @ApiPropertyOptional(title)
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  title?: string | null;

  @ApiPropertyOptional(metadata)
  @ValidateIf((_, value: unknown) => value !== undefined)
  @IsObject()
  @IsSmallJson()
  metadata?: Record<string, unknown>;
}

export class UpdateSessionRequest {
  @ApiPropertyOptional(title)
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  title?: string | null;

  @ApiPropertyOptional({ example: false, description: 'Lists can leave archived sessions out. Nothing else changes.' })
  @ValidateIf((_, value: unknown) => value !== undefined)
  @IsBoolean()
  archived?: boolean;

  @ApiPropertyOptional({ example: true, description: 'A mark for clients. It does not change the order of lists.' })
  @ValidateIf((_, value: unknown) => value !== undefined)
  @IsBoolean()
  pinned?: boolean;

  @ApiPropertyOptional(metadata)
  @ValidateIf((_, value: unknown) => value !== undefined)
  @IsObject()
  @IsSmallJson()
  metadata?: Record<string, unknown>;
}

export class ListSessionsQuery extends PageQuery {
  @ApiProperty({ format: 'uuid', description: 'The project whose sessions are listed.' })
  @IsUUID()
  project_id: string;

  @ApiPropertyOptional({
    description: 'true lists archived sessions only, false lists the others only. All sessions when absent.',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  archived?: boolean;

  @ApiPropertyOptional({
    minLength: 1,
    maxLength: 200,
    example: 'lisbon',
    description: 'Lists sessions whose title contains this text, in upper or lower case.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  q?: string;
}

@ApiSchema({ name: 'ChatSession' })
export class ChatSessionResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  project_id: string;

  @ApiProperty({ type: String, nullable: true, description: 'null: it has no title yet.' })
  title: string | null;

  @ApiProperty()
  archived: boolean;

  @ApiProperty()
  pinned: boolean;

  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: Record<string, unknown>;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time', description: 'When the newest message was stored.' })
  last_active_at: string;
}

export class ChatSessionPage extends PageResponse {
  @ApiProperty({ type: [ChatSessionResponse] })
  data: ChatSessionResponse[];
}
