import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import { Length } from '../../platform/http/length.decorator.js';
import { KEY_PROVIDERS, type KeyProvider } from './public/project-providers.js';

const PROVIDER =
  '`custom` is any server that speaks the protocol of OpenAI, at `base_url`. Its answers have the provider `custom`.';

export class SetProviderKeyRequest {
  @ApiProperty({ enum: KEY_PROVIDERS, example: 'openai', description: PROVIDER })
  @IsIn(KEY_PROVIDERS)
  provider: KeyProvider;

  @ApiProperty({
    minLength: 1,
    maxLength: 500,
    writeOnly: true,
    example: 'sk-the-key-of-your-project',
    description:
      'Stored encrypted and never shown again. Visible ASCII characters. For a server that needs no key, send any word.',
  })
  @IsString()
  @Length(1, 500)
  @Matches(/^[\x21-\x7e]*$/, { message: 'must be visible ASCII without spaces' })
  api_key: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 500,
    description:
      'Needed for `custom`, refused for the other providers: an https address such as `https://models.acme.dev/v1`, with a public host and port 443 or 8443. Its path ends before `/chat/completions`.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 500)
  base_url?: string | null;
}

@ApiSchema({ name: 'ProviderKey' })
export class ProviderKeyResponse {
  @ApiProperty({ enum: KEY_PROVIDERS, enumName: 'KeyProvider', description: PROVIDER })
  provider: KeyProvider;

  @ApiProperty({ type: String, nullable: true, description: 'The address of a `custom` server, otherwise null.' })
  base_url: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: '…x7Qa',
    description: 'The last four characters of the key. null: the key is too short to show any.',
  })
  hint: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}
