import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsIn, IsISO8601, IsOptional } from 'class-validator';
import { type Grouping, GROUPINGS } from './usage.repository.js';

export class UsageReportQuery {
  @ApiPropertyOptional({
    format: 'date-time',
    description: 'Calls recorded at or after it. By default 30 days before `to`; at most 366.',
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Calls recorded before it. By default now.' })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  to?: string;

  @ApiPropertyOptional({ enum: GROUPINGS, default: 'day', description: 'Days are those of UTC.' })
  @IsOptional()
  @IsIn(GROUPINGS)
  group_by: Grouping = 'day';
}

const sum = { type: 'integer', nullable: true } as const;

/** Calls of model providers, added up. */
export class UsageSums {
  @ApiProperty({
    type: 'integer',
    description: 'Calls of providers: answers with their retries and takeovers, names of sessions, summaries.',
  })
  calls: number;

  @ApiProperty({ ...sum, description: 'null: of no call is it known.' })
  input_tokens: number | null;

  @ApiProperty({ ...sum, description: 'The part of them that the provider had read before.' })
  cached_input_tokens: number | null;

  @ApiProperty({ ...sum, description: 'null: of no call is it known.' })
  output_tokens: number | null;

  @ApiProperty({ ...sum, description: 'Of those calls whose cost is known; null: of none.' })
  cost_micro_usd: number | null;

  @ApiProperty({ type: 'integer', description: 'Calls whose cost is not known.' })
  calls_without_cost: number;
}

/** One day, model or project; what it was not grouped by is null. */
export class UsageGroup extends UsageSums {
  @ApiProperty({ type: String, format: 'date', nullable: true })
  day: string | null;

  @ApiProperty({ type: String, nullable: true })
  provider: string | null;

  @ApiProperty({ type: String, nullable: true })
  model: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'It may be deleted by now.' })
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

  @ApiProperty({ type: UsageSums })
  total: UsageSums;
}
