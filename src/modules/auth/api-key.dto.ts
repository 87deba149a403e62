import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { ArrayNotEmpty, ArrayUnique, IsArray, IsIn, IsOptional, IsRFC3339, IsString, IsUUID } from 'class-validator';
import { type Scope, SCOPES } from '../../kernel/actor.js';
import { Length } from '../../platform/http/length.decorator.js';
import { RequestsPerMinute, TokensPerMinute } from '../../platform/rate-limit/per-minute.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';

const scopes = {
  enum: SCOPES,
  isArray: true,
  example: ['chat', 'read'],
  description: '`chat`: hold conversations. `read`: look at things. `manage`: make, change and remove them.',
};

const project = 'With it the key sees this project alone; everything else is to it as if it were not there.';

export class CreateApiKeyRequest {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Nightly report' })
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

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, description: 'null never expires.' })
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

  @ApiProperty({ example: 'prk_yK3xQm9a', description: 'How the key begins, to recognise it by.' })
  prefix: string;

  @ApiProperty(scopes)
  scopes: Scope[];

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: project })
  project_id: string | null;

  @ApiProperty({ type: 'integer', nullable: true })
  requests_per_minute: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  tokens_per_minute: number | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Written every half minute; null: never used.',
  })
  last_used_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expires_at: string | null;
}

@ApiSchema({ name: 'NewApiKey' })
export class NewApiKeyResponse extends ApiKeyResponse {
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'The key. It is shown this once and kept nowhere: a repeat of the request by its Idempotency-Key gets null here.',
  })
  key: string | null;
}

export class ApiKeyPage {
  @ApiProperty({ type: [ApiKeyResponse] })
  data: ApiKeyResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
