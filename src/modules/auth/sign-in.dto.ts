import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { PageResponse } from '../../platform/http/page.dto.js';

/** A signed-in device. */
@ApiSchema({ name: 'SignIn' })
export class SignInResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ type: String, nullable: true, description: 'The `User-Agent` of the client that signed in.' })
  user_agent: string | null;

  @ApiProperty({ description: 'Whether it is the sign-in of this request.' })
  current: boolean;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time', description: 'When its tokens were last refreshed.' })
  last_used_at: string;

  @ApiProperty({ format: 'date-time', description: 'When it ends if its tokens are not refreshed before.' })
  expires_at: string;
}

export class SignInPage extends PageResponse {
  @ApiProperty({ type: [SignInResponse] })
  data: SignInResponse[];
}
