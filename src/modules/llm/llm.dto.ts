import { ApiProperty } from '@nestjs/swagger';
import { PROVIDER_NAMES, type ProviderName } from '../../kernel/provider-name.js';

export class LlmHealth {
  @ApiProperty({ enum: PROVIDER_NAMES, enumName: 'ProviderName', description: 'The default provider of this server.' })
  provider: ProviderName;

  @ApiProperty({
    type: String,
    description: 'The model that is used when neither project nor turn names one.',
    example: 'gpt-4o-mini',
  })
  model: string;

  @ApiProperty({
    type: Boolean,
    description: 'Whether the provider could be reached just now and accepted the key of this server.',
  })
  ok: boolean;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The reason in one line when `ok` is false, otherwise null.',
  })
  reason: string | null;
}
