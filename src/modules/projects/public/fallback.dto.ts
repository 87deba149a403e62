import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString } from 'class-validator';
import { PROVIDER_NAMES, type ProviderName } from '../../../kernel/provider-name.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';

export const MAX_FALLBACKS = 5;

/** Who is asked when the one before can not answer. */
export class Fallback {
  @ApiProperty({ enum: PROVIDER_NAMES })
  @IsIn(PROVIDER_NAMES)
  provider: ProviderName;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 200,
    description: "null takes the provider's default.",
  })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  model?: string | null;
}
