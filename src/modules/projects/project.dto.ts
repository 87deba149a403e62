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
import { INT32, INT64 } from '../../platform/http/api-schema.js';
import { Length } from '../../platform/http/length.decorator.js';
import { PageResponse } from '../../platform/http/page.dto.js';
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

/** Descriptions of a project's settings, shared by requests and responses. */
const TEXTS = {
  description: 'Notes for people. The model does not read them.',
  provider: 'The provider that answers. null: the default provider of the server.',
  model: 'The model to ask for. null: the default model of the provider.',
  fallbacks:
    'Providers to call in this order when the one before cannot be reached, fails, is overloaded, limits the rate, refuses the key or does not know the model. They are called only while no token of the answer has come. The message says which provider answered.',
  params: 'Sampling settings of all turns of the project.',
  onConflict:
    'What happens to a message that is sent while an answer of its session is being written: `reject` refuses it, `queue` answers it afterwards, `interrupt` stops the running answer and keeps its text.',
  onCrash:
    'What happens to an answer whose server has died: `retry` asks the model again, `keep` ends the answer with the text that was saved.',
  retentionDays:
    'Deletes a session with its messages after this many days without activity, once a night, also when it is archived or pinned. A turn that runs or waits counts as activity. null: sessions are kept.',
  encryptContent:
    'Stores the content of the project encrypted by a key of its own: messages, answers while they are written, and comments of feedback. It cannot be changed later. Names, descriptions, prompts, metadata and the titles that you set stay readable to the server, and sessions get no automatic title.',
  contextOverflow:
    'What happens to the oldest turns when the history is too long for the model: `drop` leaves them out, `summarise` replaces them by a summary, which costs a call of its own.',
};

export class CreateProjectRequest {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Travel guide', description: 'The name of the project.' })
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  name: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 10_000,
    example: 'Answers questions about trips to Portugal.',
    description: TEXTS.description,
  })
  @IsOptional()
  @IsString()
  @Length(0, 10_000)
  @IsStorableText()
  description?: string | null;

  @ApiPropertyOptional({ type: String, enum: PROVIDER_NAMES, nullable: true, description: TEXTS.provider })
  @IsOptional()
  @IsIn(PROVIDER_NAMES)
  provider?: ProviderName | null;

  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 200, description: TEXTS.model })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  model?: string | null;

  @ApiPropertyOptional({ type: [Fallback], maxItems: MAX_FALLBACKS, description: TEXTS.fallbacks })
  @ValidateIf((_, fallbacks: unknown) => fallbacks !== undefined)
  @IsArray()
  @ArrayMaxSize(MAX_FALLBACKS)
  // Nested validation would accept an array as an item, so check each item first.
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => Fallback)
  fallbacks?: Fallback[];

  @ApiPropertyOptional({ type: ModelParams, description: TEXTS.params })
  @ValidateIf((_, params: unknown) => params !== undefined)
  @IsObject()
  @ValidateNested()
  @Type(() => ModelParams)
  params?: ModelParams;

  @ApiPropertyOptional({ enum: CONFLICT_POLICIES, description: `${TEXTS.onConflict} A new project has \`reject\`.` })
  @ValidateIf(({ on_conflict }: CreateProjectRequest) => on_conflict !== undefined)
  @IsIn(CONFLICT_POLICIES)
  on_conflict?: ConflictPolicy;

  @ApiPropertyOptional({ enum: CRASH_POLICIES, description: `${TEXTS.onCrash} A new project has \`retry\`.` })
  @ValidateIf(({ on_crash }: CreateProjectRequest) => on_crash !== undefined)
  @IsIn(CRASH_POLICIES)
  on_crash?: CrashPolicy;

  @ApiPropertyOptional({ ...INT32, nullable: true, minimum: 1, maximum: 3650, description: TEXTS.retentionDays })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(3650)
  retention_days?: number | null;

  @RequestsPerMinute()
  requests_per_minute?: number | null;

  @TokensPerMinute()
  tokens_per_minute?: number | null;

  @ApiPropertyOptional({ description: `${TEXTS.encryptContent} A new project has \`false\`.` })
  @ValidateIf(({ encrypt_content }: CreateProjectRequest) => encrypt_content !== undefined)
  @IsBoolean()
  encrypt_content?: boolean;

  @ApiPropertyOptional({ enum: CONTEXT_OVERFLOWS, description: `${TEXTS.contextOverflow} A new project has \`drop\`.` })
  @ValidateIf(({ context_overflow }: CreateProjectRequest) => context_overflow !== undefined)
  @IsIn(CONTEXT_OVERFLOWS)
  context_overflow?: ContextOverflow;
}

/** An absent field keeps its value, null clears a field that can be empty, and `params` is replaced as a whole. */
export class UpdateProjectRequest extends PartialType(CreateProjectRequest, { skipNullProperties: false }) {}

@ApiSchema({ name: 'Project' })
export class ProjectResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty()
  name: string;

  @ApiProperty({ type: String, nullable: true, description: TEXTS.description })
  description: string | null;

  @ApiProperty({ enum: PROVIDER_NAMES, enumName: 'ProviderName', nullable: true, description: TEXTS.provider })
  provider: ProviderName | null;

  @ApiProperty({ type: String, nullable: true, description: TEXTS.model })
  model: string | null;

  @ApiProperty({ type: [Fallback], description: 'Providers to call, in this order, when the first one fails.' })
  fallbacks: Fallback[];

  @ApiProperty({ type: ModelParams, description: TEXTS.params })
  params: ModelParams;

  @ApiProperty({ enum: CONFLICT_POLICIES, enumName: 'ConflictPolicy', description: TEXTS.onConflict })
  on_conflict: ConflictPolicy;

  @ApiProperty({ enum: CRASH_POLICIES, enumName: 'CrashPolicy', description: TEXTS.onCrash })
  on_crash: CrashPolicy;

  @ApiProperty({ ...INT32, nullable: true, description: TEXTS.retentionDays })
  retention_days: number | null;

  @ApiProperty({ ...INT64, nullable: true, description: 'Turns per minute. null: no limit of its own.' })
  requests_per_minute: number | null;

  @ApiProperty({ ...INT64, nullable: true, description: 'Tokens per minute. null: no limit of its own.' })
  tokens_per_minute: number | null;

  @ApiProperty({ description: 'Whether the content of the project is stored encrypted.' })
  encrypt_content: boolean;

  @ApiProperty({ enum: CONTEXT_OVERFLOWS, enumName: 'ContextOverflow', description: TEXTS.contextOverflow })
  context_overflow: ContextOverflow;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;
}

export class ProjectPage extends PageResponse {
  @ApiProperty({ type: [ProjectResponse] })
  data: ProjectResponse[];
}
