import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min } from 'class-validator';

/** How much of something is allowed in a minute; absent and null are no limit of one's own. */
export function PerMinute(what: string, most: number): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({
      type: 'integer',
      nullable: true,
      minimum: 1,
      maximum: most,
      description: `${what} in a minute. null is no limit of its own.`,
    }),
    IsOptional(),
    IsInt(),
    Min(1),
    Max(most),
  );
}

/** Turns in a minute, on a field of a request or of an answer. */
export const RequestsPerMinute = (): PropertyDecorator => PerMinute('Turns', 1_000_000);

/** Tokens of models in a minute, what is asked and what is answered. */
export const TokensPerMinute = (): PropertyDecorator =>
  PerMinute('Tokens of models, asked and answered,', 1_000_000_000);
