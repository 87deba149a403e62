import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { ArrayNotEmpty, ArrayUnique, IsArray, IsIn, IsOptional, IsRFC3339, IsString, IsUUID } from 'class-validator';
import { type Scope, SCOPES } from '../../kernel/actor.js';
import { INT64 } from '../../platform/http/api-schema.js';
import { PageResponse } from '../../platform/http/page.dto.js';
import { Length } from '../../platform/http/length.decorator.js';
import { RequestsPerMinute, TokensPerMinute } from '../../platform/rate-limit/per-minute.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';

const scopes = {
  enum: SCOPES,
  isArray: true,
  example: ['chat', 'read'],
  description:
    'What the key can do. `chat`: hold conversations. `read`: read data. `manage`: create, change and delete data.',
};

const project =
  'The key works in this project only; for everything else it gets 404. null: the key works in all projects.';

export class CreateApiKeyRequest {
  @ApiProperty({
    minLength: 1,
    maxLength: 200,
    example: 'Nightly report',
    description: 'A name to recognise the key by.',
  })
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  name: string;

  @ApiProperty({ ...scopes, minItems: 1, uniqueItems: true })
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(SCOPES, { each: true })
  scopes: Scope[];

  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true, description: project })
  @IsOptional()
  @IsUUID()
  project_id?: string | null;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the key expires. null: never.',
  })
  @IsOptional()
  @IsRFC3339()
  expires_at?: string | null;

  @RequestsPerMinute()
  requests_per_minute?: number | null;

  @TokensPerMinute()
  tokens_per_minute?: number | null;
}

@ApiSchema({ name: 'ApiKey' })
export class ApiKeyResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty()
  name: string;

  @ApiProperty({ example: 'prk_yK3xQm9a', description: 'The beginning of the key, to recognise it by.' })
  prefix: string;

  @ApiProperty({ ...scopes, enumName: 'ApiKeyScope' })
  scopes: Scope[];

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: project })
  project_id: string | null;

  @ApiProperty({ ...INT64, nullable: true, description: 'Turns per minute. null: no limit of its own.' })
  requests_per_minute: number | null;

  @ApiProperty({ ...INT64, nullable: true, description: 'Tokens per minute. null: no limit of its own.' })
  tokens_per_minute: number | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the key was last used, to within half a minute. null: never.',
  })
  last_used_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'null: the key does not expire.' })
  expires_at: string | null;
}

@ApiSchema({ name: 'ApiKeyWithSecret' })
export class ApiKeyWithSecretResponse extends ApiKeyResponse {
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'The key itself. It is shown only in this response and not stored: a repeat with the same Idempotency-Key gets null.',
  })
  key: string | null;
}

export class ApiKeyPage extends PageResponse {
  @ApiProperty({ type: [ApiKeyResponse] })
  data: ApiKeyResponse[];
}
