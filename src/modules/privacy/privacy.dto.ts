import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsString, MaxLength, ValidateIf } from 'class-validator';
import { INT64 } from '../../platform/http/api-schema.js';
import { Length } from '../../platform/http/length.decorator.js';

export class DeleteMeRequest {
  @ApiProperty({
    format: 'password',
    minLength: 1,
    maxLength: 1024,
    example: 'correct horse battery',
    description: 'The password of the account: an access token alone cannot delete an account.',
  })
  @IsString()
  @Length(1, 1024)
  password: string;

  @ApiPropertyOptional({
    maxLength: 40,
    description:
      'Needed when the account has a second factor: six digits from the authenticator app, or a recovery code.',
  })
  @ValidateIf((_, value: unknown) => value !== undefined)
  @IsString()
  @MaxLength(40)
  code?: string;
}

@ApiSchema({ name: 'ErasureReceipt' })
export class ErasureReceiptResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'date-time' })
  erased_at: string;

  @ApiProperty({ description: 'A keyed hash of the id of the user.' })
  subject: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: INT64,
    description: 'How many rows of each table were erased.',
    example: { users: 1, messages: 12 },
  })
  counts: Readonly<Record<string, number>>;

  @ApiProperty({ ...INT64, description: 'The number of the last event in the audit log of the account.' })
  audit_seq: number;

  @ApiProperty({ description: 'The hash of that event.' })
  audit_hash: string;

  @ApiProperty({ description: 'HMAC-SHA-256 over the receipt, by a key of this server.' })
  signature: string;

  @ApiProperty({ description: 'Whether this server wrote the receipt and nobody has changed it since.' })
  is_authentic: boolean;
}
