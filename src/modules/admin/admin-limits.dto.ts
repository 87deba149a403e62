import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsOptional, IsString, Matches } from 'class-validator';
import { INT64 } from '../../platform/http/api-schema.js';
import { RequestsPerMinute, TokensPerMinute } from '../../platform/rate-limit/per-minute.decorator.js';

const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
const name = {
  pattern: NAME.source,
  example: 'pro',
  description: 'The name of the plan: small letters, digits and hyphens.',
};
const ofPlan = { ...INT64, nullable: true } as const;
const inPlaceOfPlan = {
  ...ofPlan,
  description: 'Replaces the limit of the plan. null: the limit of the plan applies.',
} as const;

/** A whole plan: the request creates it or replaces all of it. */
export class PutPlanRequest {
  @ApiProperty(name)
  @IsString()
  @Matches(NAME, { message: 'must be up to 40 small letters, digits and hyphens' })
  name: string;

  @RequestsPerMinute({ example: 60 })
  requests_per_minute?: number | null;

  @TokensPerMinute({ example: 200_000 })
  tokens_per_minute?: number | null;
}

/** All limits of an account: the request replaces all of them. */
export class PutAccountLimitsRequest {
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'pro',
    description: 'The name of a plan that exists. Absent or null: the default plan.',
  })
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

  @ApiProperty({ ...ofPlan, description: 'Turns per minute. null: no limit.' })
  requests_per_minute: number | null;

  @ApiProperty({ ...ofPlan, description: 'Tokens that models read and write per minute. null: no limit.' })
  tokens_per_minute: number | null;
}

export class PlanList {
  @ApiProperty({ type: [PlanResponse], description: 'All plans, by name.' })
  data: PlanResponse[];
}

@ApiSchema({ name: 'AccountLimits' })
export class AccountLimitsResponse {
  @ApiProperty({ type: String, nullable: true, description: 'The plan of the account. null: the default plan.' })
  plan: string | null;

  @ApiProperty(inPlaceOfPlan)
  requests_per_minute: number | null;

  @ApiProperty(inPlaceOfPlan)
  tokens_per_minute: number | null;

  @ApiProperty({ type: PlanResponse, description: 'The limits that apply in the end, and the plan they come from.' })
  in_force: PlanResponse;
}
