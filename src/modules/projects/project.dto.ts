import { ApiProperty, ApiPropertyOptional, ApiSchema, PartialType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { PROVIDER_NAMES, type ProviderName } from '../../kernel/provider-name.js';
import { Length } from '../../platform/http/length.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';
import { RequestsPerMinute, TokensPerMinute } from '../../platform/rate-limit/per-minute.decorator.js';
import { Fallback, MAX_FALLBACKS } from './public/fallback.dto.js';
import { ModelParams } from './public/model-params.dto.js';
import {
  CONFLICT_POLICIES,
  type ConflictPolicy,
  CONTEXT_OVERFLOWS,
  type ContextOverflow,
  CRASH_POLICIES,
  type CrashPolicy,
} from './public/turn-policy.js';

export class CreateProjectRequest {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Travel guide' })
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  name: string;

  @ApiPropertyOptional({ type: String, nullable: true, maxLength: 10_000 })
  @IsOptional()
  @IsString()
  @Length(0, 10_000)
  @IsStorableText()
  description?: string | null;

  @ApiPropertyOptional({
    type: String,
    enum: PROVIDER_NAMES,
    nullable: true,
    description: "null takes the server's default.",
  })
  @IsOptional()
  @IsIn(PROVIDER_NAMES)
  provider?: ProviderName | null;

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

  @ApiPropertyOptional({
    type: [Fallback],
    maxItems: MAX_FALLBACKS,
    description:
      'Who is asked in order, before the first token only, when the provider can not be reached, fails, is overloaded, limits the rate, refuses the key or does not know the model. Whoever answers is on the message.',
  })
  @ValidateIf((_, fallbacks: unknown) => fallbacks !== undefined)
  @IsArray()
  @ArrayMaxSize(MAX_FALLBACKS)
  // A list in the list has no fields that could be wrong.
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => Fallback)
  fallbacks?: Fallback[];

  @ApiPropertyOptional({ type: ModelParams })
  @ValidateIf((_, params: unknown) => params !== undefined)
  @IsObject()
  @ValidateNested()
  @Type(() => ModelParams)
  params?: ModelParams;

  @ApiPropertyOptional({
    enum: CONFLICT_POLICIES,
    default: 'reject',
    description: 'What a message does that comes while an answer is being written.',
  })
  @ValidateIf(({ on_conflict }: CreateProjectRequest) => on_conflict !== undefined)
  @IsIn(CONFLICT_POLICIES)
  on_conflict?: ConflictPolicy;

  @ApiPropertyOptional({
    enum: CRASH_POLICIES,
    default: 'retry',
    description: 'What becomes of an answer whose server died in the middle.',
  })
  @ValidateIf(({ on_crash }: CreateProjectRequest) => on_crash !== undefined)
  @IsIn(CRASH_POLICIES)
  on_crash?: CrashPolicy;

  @ApiPropertyOptional({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: 3650,
    description:
      'After how many days without activity a session is deleted with its messages, once a night: archived and pinned ones too, as this is a promise. A turn that runs or waits is activity. null keeps them.',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(3650)
  retention_days?: number | null;

  @RequestsPerMinute()
  requests_per_minute?: number | null;

  @TokensPerMinute()
  tokens_per_minute?: number | null;

  @ApiPropertyOptional({
    default: false,
    description:
      'Stores what is said in the project encrypted, by a key of its own that is deleted with it: messages, answers while they are written, comments of feedback. Decided when the project is made, and not changed later. Names, descriptions, prompts, metadata and the titles that you give to sessions stay readable to the server, as lists show and find them; sessions get no title by themselves.',
  })
  @ValidateIf(({ encrypt_content }: CreateProjectRequest) => encrypt_content !== undefined)
  @IsBoolean()
  encrypt_content?: boolean;

  @ApiPropertyOptional({
    enum: CONTEXT_OVERFLOWS,
    default: 'drop',
    description:
      'What becomes of the oldest turns when history does not fit: left out, or summarised by a call of the model of its own.',
  })
  @ValidateIf(({ context_overflow }: CreateProjectRequest) => context_overflow !== undefined)
  @IsIn(CONTEXT_OVERFLOWS)
  context_overflow?: ContextOverflow;
}

/** What is absent stays; `null` empties what can be empty; `params` is replaced as a whole. */
export class UpdateProjectRequest extends PartialType(CreateProjectRequest, { skipNullProperties: false }) {}

@ApiSchema({ name: 'Project' })
export class ProjectResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty()
  name: string;

  @ApiProperty({ type: String, nullable: true })
  description: string | null;

  @ApiProperty({ type: String, enum: PROVIDER_NAMES, nullable: true })
  provider: ProviderName | null;

  @ApiProperty({ type: String, nullable: true })
  model: string | null;

  @ApiProperty({ type: [Fallback] })
  fallbacks: Fallback[];

  @ApiProperty({ type: ModelParams })
  params: ModelParams;

  @ApiProperty({ enum: CONFLICT_POLICIES })
  on_conflict: ConflictPolicy;

  @ApiProperty({ enum: CRASH_POLICIES })
  on_crash: CrashPolicy;

  @ApiProperty({ type: 'integer', nullable: true })
  retention_days: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  requests_per_minute: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  tokens_per_minute: number | null;

  @ApiProperty({ description: 'Whether what is said here is stored encrypted.' })
  encrypt_content: boolean;

  @ApiProperty({ enum: CONTEXT_OVERFLOWS })
  context_overflow: ContextOverflow;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;
}

export class ProjectPage {
  @ApiProperty({ type: [ProjectResponse] })
  data: ProjectResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
