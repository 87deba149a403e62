import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsOptional, IsString, IsUUID, ValidateIf } from 'class-validator';
import { EXAMPLE_IDS, INT32 } from '../../platform/http/api-schema.js';
import { PageQuery, PageResponse } from '../../platform/http/page.dto.js';
import { Length } from '../../platform/http/length.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';

/** The most prompts a project can have. */
export const MAX_PROMPTS = 100;

export class CreateProjectPromptRequest {
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    minLength: 1,
    maxLength: 200,
    example: 'Tone',
    description: 'A name for people. The model does not read it.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  name?: string | null;

  @ApiProperty({
    minLength: 1,
    example: 'Answer in the style of a friendly local.',
    description: 'The text that the model reads.',
  })
  @IsString()
  @Length(1)
  @IsStorableText()
  content: string;
}

export class CreatePromptRequest extends CreateProjectPromptRequest {
  @ApiProperty({ format: 'uuid', example: EXAMPLE_IDS.project, description: 'The project that gets the prompt.' })
  @IsUUID()
  project_id: string;
}

export class UpdatePromptRequest {
  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 200, description: 'null removes it.' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  name?: string | null;

  @ApiPropertyOptional({
    minLength: 1,
    example: 'Answer in at most three sentences.',
    description: 'The text that the model reads.',
  })
  @ValidateIf(({ content }: UpdatePromptRequest) => content !== undefined)
  @IsString()
  @Length(1)
  @IsStorableText()
  content?: string;
}

export class OrderPromptsRequest {
  @ApiProperty({
    type: [String],
    format: 'uuid',
    example: [EXAMPLE_IDS.secondPrompt, EXAMPLE_IDS.firstPrompt],
    maxItems: MAX_PROMPTS,
    uniqueItems: true,
    description: 'The ids of all prompts of the project, in the order in which the model reads them.',
  })
  @IsArray()
  @ArrayMaxSize(MAX_PROMPTS)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  prompt_ids: string[];
}

export class ListPromptsQuery extends PageQuery {
  @ApiProperty({ format: 'uuid', description: 'The project whose prompts are listed.' })
  @IsUUID()
  project_id: string;
}

@ApiSchema({ name: 'Prompt' })
export class PromptResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  project_id: string;

  @ApiProperty({ type: String, nullable: true })
  name: string | null;

  @ApiProperty()
  content: string;

  @ApiProperty({ ...INT32, description: 'The place among the prompts of the project, from 0.' })
  position: number;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;
}

export class PromptPage extends PageResponse {
  @ApiProperty({ type: [PromptResponse] })
  data: PromptResponse[];
}
