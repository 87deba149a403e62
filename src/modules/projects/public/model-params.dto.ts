import { ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsInt, IsNumber, IsString, Max, Min, ValidateIf } from 'class-validator';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';

/** A provider takes null for a value and may refuse it: what is not wanted is left out. */
const IsGivenOrAbsent = (): PropertyDecorator => ValidateIf((_, value: unknown) => value !== undefined);

/** Sampling settings of a project or of one turn; what is absent is left to the provider. */
export class ModelParams {
  @ApiPropertyOptional({ minimum: 0, maximum: 2, example: 0.2 })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(0)
  @Max(2)
  temperature?: number;

  @ApiPropertyOptional({ minimum: 0, maximum: 1 })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(0)
  @Max(1)
  top_p?: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000_000, example: 512, description: 'Tokens.' })
  @IsGivenOrAbsent()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  max_output_tokens?: number;

  @ApiPropertyOptional({ minimum: -2, maximum: 2 })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(-2)
  @Max(2)
  presence_penalty?: number;

  @ApiPropertyOptional({ minimum: -2, maximum: 2 })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(-2)
  @Max(2)
  frequency_penalty?: number;

  @ApiPropertyOptional({
    type: 'integer',
    description: 'Asks the model for repeatable answers, where it can give them.',
  })
  @IsGivenOrAbsent()
  @IsInt()
  @Min(-Number.MAX_SAFE_INTEGER)
  @Max(Number.MAX_SAFE_INTEGER)
  seed?: number;

  @ApiPropertyOptional({ type: [String], maxItems: 4, description: 'Texts at which the answer ends.' })
  @IsGivenOrAbsent()
  @IsArray()
  @ArrayMaxSize(4)
  @IsString({ each: true })
  @Length(1, 200, { each: true })
  @IsStorableText()
  stop?: string[];
}
