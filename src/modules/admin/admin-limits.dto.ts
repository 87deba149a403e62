import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsOptional, IsString, Matches } from 'class-validator';
import { RequestsPerMinute, TokensPerMinute } from '../../platform/rate-limit/per-minute.decorator.js';

const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
const name = { pattern: NAME.source, example: 'pro' };
const limit = { type: 'integer', nullable: true, description: 'null is no limit.' } as const;

/** A plan, made or replaced as a whole. */
export class PutPlanRequest {
  @ApiProperty(name)
  @IsString()
  @Matches(NAME, { message: 'must be up to 40 small letters, digits and hyphens' })
  name: string;

  @RequestsPerMinute()
  requests_per_minute?: number | null;

  @TokensPerMinute()
  tokens_per_minute?: number | null;
}

/** What is set for an account, replaced as a whole. */
export class PutAccountLimitsRequest {
  @ApiPropertyOptional({ type: String, nullable: true, example: 'pro', description: 'null is the default plan.' })
  @IsOptional()
  @IsString()
  @Matches(NAME, { message: 'must be the name of a plan' })
  plan?: string | null;

  @RequestsPerMinute()
  requests_per_minute?: number | null;

  @TokensPerMinute()
  tokens_per_minute?: number | null;
}

@ApiSchema({ name: 'Plan' })
export class PlanResponse {
  @ApiProperty(name)
  name: string;

  @ApiProperty(limit)
  requests_per_minute: number | null;

  @ApiProperty(limit)
  tokens_per_minute: number | null;
}

export class PlanList {
  @ApiProperty({ type: [PlanResponse], description: 'By name, all of them.' })
  data: PlanResponse[];
}

@ApiSchema({ name: 'AccountLimits' })
export class AccountLimitsResponse {
  @ApiProperty({ type: String, nullable: true, description: 'null is the default plan.' })
  plan: string | null;

  @ApiProperty({ type: 'integer', nullable: true, description: "In place of the plan's; null leaves it to the plan." })
  requests_per_minute: number | null;

  @ApiProperty({ type: 'integer', nullable: true, description: "In place of the plan's; null leaves it to the plan." })
  tokens_per_minute: number | null;

  @ApiProperty({ type: PlanResponse, description: 'What holds in the end, and by which plan.' })
  in_force: PlanResponse;
}
