import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsIn, IsISO8601, IsOptional } from 'class-validator';
import { INT64 } from '../../platform/http/api-schema.js';
import { type Grouping, GROUPINGS } from './usage.repository.js';

export class UsageReportQuery {
  @ApiPropertyOptional({
    format: 'date-time',
    description:
      'Counts calls that were recorded at or after this time. 30 days before `to` when absent, 366 days at most.',
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  from?: string;

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'Counts calls that were recorded before this time. Now when absent.',
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  to?: string;

  @ApiPropertyOptional({
    enum: GROUPINGS,
    description: 'What the rows stand for. `day` when absent; days are those of UTC.',
  })
  @IsOptional()
  @IsIn(GROUPINGS)
  group_by: Grouping = 'day';
}

const sum = { ...INT64, nullable: true } as const;

/** Sums over provider calls. */
export class UsageSums {
  @ApiProperty({
    ...INT64,
    description: 'Calls to providers: answers with their retries and takeovers, titles of sessions, summaries.',
  })
  calls: number;

  @ApiProperty({ ...sum, description: 'null: it is known of no call.' })
  input_tokens: number | null;

  @ApiProperty({ ...sum, description: 'The part of the input tokens that came from a cache of the provider.' })
  cached_input_tokens: number | null;

  @ApiProperty({ ...sum, description: 'null: it is known of no call.' })
  output_tokens: number | null;

  @ApiProperty({
    ...sum,
    description: 'Millionths of a US dollar, of the calls whose cost is known. null: no cost is known.',
  })
  cost_micro_usd: number | null;

  @ApiProperty({ ...INT64, description: 'Calls whose cost is not known.' })
  calls_without_cost: number;
}

/** The usage of one day, model or project. The fields that the report is not grouped by are null. */
export class UsageGroup extends UsageSums {
  @ApiProperty({ type: String, format: 'date', nullable: true })
  day: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'openai' })
  provider: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'gpt-4o-mini' })
  model: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The project may have been deleted since.',
  })
  project_id: string | null;
}

@ApiSchema({ name: 'UsageReport' })
export class UsageReportResponse {
  @ApiProperty({ format: 'date-time' })
  from: string;

  @ApiProperty({ format: 'date-time' })
  to: string;

  @ApiProperty({ type: [UsageGroup] })
  data: UsageGroup[];

  @ApiProperty({ type: UsageSums, description: 'The sum of all rows.' })
  total: UsageSums;
}
