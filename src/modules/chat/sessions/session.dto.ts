import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsObject, IsOptional, IsString, IsUUID, ValidateIf } from 'class-validator';
import { PageQuery } from '../../../platform/http/page.dto.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsSmallJson } from '../../../platform/http/small-json.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';

const metadata = {
  type: 'object',
  additionalProperties: true,
  description: 'Anything small the client wants to remember; up to 16 KiB of JSON.',
} as const;

export class CreateSessionRequest {
  @ApiProperty({ format: 'uuid' })
  @IsUUID()
  project_id: string;

  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 200 })
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
  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 200 })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  title?: string | null;

  @ApiPropertyOptional()
  @ValidateIf((_, value: unknown) => value !== undefined)
  @IsBoolean()
  archived?: boolean;

  @ApiPropertyOptional()
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
  @ApiProperty({ format: 'uuid' })
  @IsUUID()
  project_id: string;

  @ApiPropertyOptional({ description: 'true lists the archived ones only, false the others only.' })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  archived?: boolean;

  @ApiPropertyOptional({
    minLength: 1,
    maxLength: 200,
    example: 'lisbon',
    description: 'Lists those alone whose title has these words in it, in upper or lower case.',
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

  @ApiProperty({ type: String, nullable: true })
  title: string | null;

  @ApiProperty()
  archived: boolean;

  @ApiProperty()
  pinned: boolean;

  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: Record<string, unknown>;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time', description: 'When the newest message came.' })
  last_active_at: string;
}

export class ChatSessionPage {
  @ApiProperty({ type: [ChatSessionResponse] })
  data: ChatSessionResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
