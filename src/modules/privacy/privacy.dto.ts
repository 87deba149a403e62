import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, MaxLength, ValidateIf } from 'class-validator';
import { Length } from '../../platform/http/length.decorator.js';

export class DeleteMeRequest {
  @ApiProperty({ format: 'password', description: 'A token is not enough to delete an account.' })
  @IsString()
  @Length(1, 1024)
  password: string;

  @ApiPropertyOptional({
    maxLength: 40,
    example: '123456',
    description: 'Needed where the account has a second factor: six digits from the app, or a recovery code.',
  })
  @ValidateIf((_, value: unknown) => value !== undefined)
  @IsString()
  @MaxLength(40)
  code?: string;
}

export class ErasureReceiptView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'date-time' })
  erased_at: string;

  @ApiProperty({ description: "A keyed hash of the user's id." })
  subject: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'How many rows of each table the account had.',
    example: { users: 1, messages: 12 },
  })
  counts: Readonly<Record<string, number>>;

  @ApiProperty({ type: 'integer', description: "How many events the account's audit log ends with." })
  audit_seq: number;

  @ApiProperty({ description: 'The hash of the last of them.' })
  audit_hash: string;

  @ApiProperty({ description: 'HMAC-SHA-256 by a key of this server.' })
  signature: string;

  @ApiProperty({ description: 'Whether this server has written the receipt as it is now.' })
  is_authentic: boolean;
}
