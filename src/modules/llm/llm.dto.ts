import { ApiProperty } from '@nestjs/swagger';
import { PROVIDER_NAMES, type ProviderName } from '../../kernel/provider-name.js';

export class LlmHealth {
  @ApiProperty({ enum: PROVIDER_NAMES, description: 'The provider that answers by default.' })
  provider: ProviderName;

  @ApiProperty({ type: String, description: 'The model used when nobody names one.', example: 'gpt-4o-mini' })
  model: string;

  @ApiProperty({ type: Boolean, description: 'Whether the provider can be reached and accepts our key, right now.' })
  ok: boolean;

  @ApiProperty({ type: String, nullable: true, description: 'Why not, in one line; null when it is.' })
  reason: string | null;
}
