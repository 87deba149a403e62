import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { INT64 } from '../http/api-schema.js';

interface PerMinuteOptions {
  readonly example?: number;
}

/** A limit per minute in a field of a request; absent and null both mean no limit of its own. */
function PerMinute(what: string, most: number, { example }: PerMinuteOptions): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({
      ...INT64,
      nullable: true,
      minimum: 1,
      maximum: most,
      ...(example === undefined ? {} : { example }),
      description: `${what} per minute. null: no limit of its own.`,
    }),
    IsOptional(),
    IsInt(),
    Min(1),
    Max(most),
  );
}

/** Turns per minute. */
export const RequestsPerMinute = (options: PerMinuteOptions = {}): PropertyDecorator =>
  PerMinute('Turns', 1_000_000, options);

/** Tokens per minute that models read and write. */
export const TokensPerMinute = (options: PerMinuteOptions = {}): PropertyDecorator =>
  PerMinute('Tokens that models read and write', 1_000_000_000, options);
