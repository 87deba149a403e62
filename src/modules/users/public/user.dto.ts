import { ApiProperty, ApiSchema } from '@nestjs/swagger';

/** The public fields of a user. */
@ApiSchema({ name: 'User' })
export class UserResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'email', example: 'ada@example.com' })
  email: string;

  @ApiProperty({ description: 'Whether the user has confirmed the address by the link in a mail.' })
  email_verified: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'Ada', description: 'The name to show to people.' })
  display_name: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}
