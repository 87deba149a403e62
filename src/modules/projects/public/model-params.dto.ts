import { ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsInt, IsNumber, IsString, Max, Min, ValidateIf } from 'class-validator';
import { INT64 } from '../../../platform/http/api-schema.js';
import { Length } from '../../../platform/http/length.decorator.js';
import { IsStorableText } from '../../../platform/http/storable-text.decorator.js';

/** Refuses null: a provider may treat null as a value and refuse it, so an unwanted setting must be absent. */
const IsGivenOrAbsent = (): PropertyDecorator => ValidateIf((_, value: unknown) => value !== undefined);

/** Sampling settings of a project or of one turn. An absent setting uses the provider's default. */
export class ModelParams {
  @ApiPropertyOptional({ minimum: 0, maximum: 2, example: 0.2, description: 'Higher values make answers more varied.' })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(0)
  @Max(2)
  temperature?: number;

  @ApiPropertyOptional({
    minimum: 0,
    maximum: 1,
    description: 'Considers only the most likely tokens, up to this share of the probability.',
  })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(0)
  @Max(1)
  top_p?: number;

  @ApiPropertyOptional({
    ...INT64,
    minimum: 1,
    maximum: 1_000_000,
    example: 512,
    description: 'The most tokens an answer may have.',
  })
  @IsGivenOrAbsent()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  max_output_tokens?: number;

  @ApiPropertyOptional({
    minimum: -2,
    maximum: 2,
    description: 'Positive values make words less likely once they have appeared.',
  })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(-2)
  @Max(2)
  presence_penalty?: number;

  @ApiPropertyOptional({
    minimum: -2,
    maximum: 2,
    description: 'Positive values make words less likely the more often they have appeared.',
  })
  @IsGivenOrAbsent()
  @IsNumber()
  @Min(-2)
  @Max(2)
  frequency_penalty?: number;

  @ApiPropertyOptional({
    ...INT64,
    minimum: -Number.MAX_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Asks for repeatable answers, where the model can give them.',
  })
  @IsGivenOrAbsent()
  @IsInt()
  @Min(-Number.MAX_SAFE_INTEGER)
  @Max(Number.MAX_SAFE_INTEGER)
  seed?: number;

  @ApiPropertyOptional({ type: [String], maxItems: 4, description: 'The answer ends before the first of these texts.' })
  @IsGivenOrAbsent()
  @IsArray()
  @ArrayMaxSize(4)
  @IsString({ each: true })
  @Length(1, 200, { each: true })
  @IsStorableText()
  stop?: string[];
}
