import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import { Length } from '../../platform/http/length.decorator.js';
import { KEY_PROVIDERS, type KeyProvider } from './public/project-providers.js';

const PROVIDER = 'custom: any server that speaks the OpenAI wire, by its base_url. Its answers say `custom`.';

export class SetProviderKeyRequest {
  @ApiProperty({ enum: KEY_PROVIDERS, description: PROVIDER })
  @IsIn(KEY_PROVIDERS)
  provider: KeyProvider;

  @ApiProperty({
    minLength: 1,
    maxLength: 500,
    writeOnly: true,
    description: 'Stored encrypted and never shown again. Visible ASCII; any word for servers that need none.',
  })
  @IsString()
  @Length(1, 500)
  @Matches(/^[\x21-\x7e]*$/, { message: 'must be visible ASCII without spaces' })
  api_key: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 500,
    example: 'https://models.acme.dev/v1',
    description:
      'For custom, and only there: https, port 443 or 8443, a public host. The path ends before `/chat/completions`.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 500)
  base_url?: string | null;
}

@ApiSchema({ name: 'ProviderKey' })
export class ProviderKeyResponse {
  @ApiProperty({ enum: KEY_PROVIDERS, description: PROVIDER })
  provider: KeyProvider;

  @ApiProperty({ type: String, nullable: true })
  base_url: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: '…x7Qa',
    description: 'The last four characters of the key; null when it is too short to show any.',
  })
  hint: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}
