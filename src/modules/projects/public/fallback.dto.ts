import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString } from 'class-validator';
import { PROVIDER_NAMES, type ProviderName } from '../../../kernel/provider-name.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';

export const MAX_FALLBACKS = 5;

/** A provider, and its model, to call when the one before it fails. */
export class Fallback {
  @ApiProperty({ enum: PROVIDER_NAMES, enumName: 'ProviderName', description: 'The provider to call.' })
  @IsIn(PROVIDER_NAMES)
  provider: ProviderName;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 200,
    description: 'The model to ask for. Absent or null: the default model of the provider.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  model?: string | null;
}
