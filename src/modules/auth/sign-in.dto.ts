import { ApiProperty, ApiSchema } from '@nestjs/swagger';

/** A signed-in device. */
@ApiSchema({ name: 'SignIn' })
export class SignInResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ type: String, nullable: true, description: 'What the client said it is when it signed in.' })
  user_agent: string | null;

  @ApiProperty({ description: 'Whether this request came by it.' })
  current: boolean;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time', description: 'When it was last refreshed.' })
  last_used_at: string;

  @ApiProperty({ format: 'date-time', description: 'When it ends unless it is refreshed before.' })
  expires_at: string;
}

export class SignInPage {
  @ApiProperty({ type: [SignInResponse] })
  data: SignInResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
