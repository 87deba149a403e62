import { ApiProperty } from '@nestjs/swagger';

/** A user as the API shows it. */
export class User {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'email', example: 'ada@example.com' })
  email: string;

  @ApiProperty({ type: String, nullable: true, example: 'Ada' })
  display_name: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}
