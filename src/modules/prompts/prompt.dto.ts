import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsOptional, IsString, IsUUID, ValidateIf } from 'class-validator';
import { PageQuery } from '../../platform/http/page.dto.js';
import { Length } from '../../platform/http/length.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';

/** The most prompts a project can have. */
export const MAX_PROMPTS = 100;

export class CreatePromptRequest {
  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 200, example: 'Tone' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  name?: string | null;

  @ApiProperty({ minLength: 1, example: 'Answer in the style of a friendly local.' })
  @IsString()
  @Length(1)
  @IsStorableText()
  content: string;
}

export class CreatePromptByIdRequest extends CreatePromptRequest {
  @ApiProperty({ format: 'uuid' })
  @IsUUID()
  project_id: string;
}

export class UpdatePromptRequest {
  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 200 })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  name?: string | null;

  @ApiPropertyOptional({ minLength: 1 })
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
    description: "All of the project's prompts, in the order in which a model reads them.",
  })
  @IsArray()
  @ArrayMaxSize(MAX_PROMPTS)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  prompt_ids: string[];
}

export class ListPromptsQuery extends PageQuery {
  @ApiProperty({ format: 'uuid' })
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

  @ApiProperty({ type: 'integer', description: 'Place among the prompts of the project, from 0.' })
  position: number;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;
}

export class PromptPage {
  @ApiProperty({ type: [PromptResponse] })
  data: PromptResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
