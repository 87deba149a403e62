import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, ValidateIf } from 'class-validator';
import { Length } from '../../platform/http/length.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';

export class UpdateMeRequest {
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    minLength: 1,
    maxLength: 200,
    example: 'Ada',
    description: 'The name to show to people. null removes it.',
  })
  @ValidateIf((_, value: unknown) => value !== null && value !== undefined)
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  display_name?: string | null;
}
