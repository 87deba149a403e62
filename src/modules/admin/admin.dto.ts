import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsIn, IsISO8601, IsOptional, IsString, MaxLength } from 'class-validator';
import { PageQuery } from '../../platform/http/page.dto.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';

const STATUSES = ['active', 'disabled'] as const;

export class ListAccountsQuery extends PageQuery {
  @ApiPropertyOptional({ maxLength: 254, description: 'The beginning of the e-mail address, in any case.' })
  @IsOptional()
  @IsString()
  @MaxLength(254)
  @IsStorableText()
  email?: string;

  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional()
  @IsIn(STATUSES)
  status?: (typeof STATUSES)[number];
}

export class UsageQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'date-time', description: 'Calls recorded at or after it. By default 30 days ago.' })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Calls recorded before it. By default now.' })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  to?: string;
}

/** An account as admins see it. */
@ApiSchema({ name: 'Account' })
export class AccountResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'email', example: 'ada@example.com' })
  email: string;

  @ApiProperty({ enum: ['user', 'admin'] })
  role: 'user' | 'admin';

  @ApiProperty({ enum: STATUSES })
  status: (typeof STATUSES)[number];

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  disabled_at: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}

export class AccountPage {
  @ApiProperty({ type: [AccountResponse] })
  data: AccountResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}

const sum = { type: 'integer', nullable: true } as const;

/** What a user has used in a time. */
export class AccountUsage {
  @ApiProperty({ format: 'uuid' })
  user_id: string;

  @ApiProperty({ format: 'email', example: 'ada@example.com' })
  email: string;

  @ApiProperty({ type: 'integer', description: 'Answers for which a model was asked, however they ended.' })
  turns: number;

  @ApiProperty({ ...sum, description: 'null: of no answer is it known.' })
  input_tokens: number | null;

  @ApiProperty({ ...sum, description: 'null: of no answer is it known.' })
  output_tokens: number | null;

  @ApiProperty({
    ...sum,
    description: 'As far as it is known, names of sessions and summaries included; null: of nothing.',
  })
  cost_micro_usd: number | null;

  @ApiProperty({ type: 'integer', description: 'Answers of which a call has no known cost.' })
  turns_without_cost: number;
}

export class AccountUsagePage {
  @ApiProperty({ type: [AccountUsage] })
  data: AccountUsage[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
