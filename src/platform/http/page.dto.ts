import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { INT32 } from './api-schema.js';

/** How a client asks for a list. */
export class PageQuery {
  @ApiPropertyOptional({ ...INT32, minimum: 1, maximum: 100, description: 'Rows in a page. 20 when absent.' })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 20;

  @ApiPropertyOptional({
    maxLength: 1000,
    description: '`next_cursor` of the previous page. Opaque, and valid for the same list and filters only.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(1000)
  cursor?: string;
}

/** A page of a list: the rows, and the cursor of the next page, or null at the end. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly next_cursor: string | null;
}

/** The common fields of all pages. */
export class PageResponse {
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Send it as `cursor` to get the next page. null: this is the last page.',
  })
  next_cursor: string | null;
}
