import { ApiHideProperty, ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional, IsString, MaxLength, ValidateIf } from 'class-validator';
import { INT32 } from '../../platform/http/api-schema.js';
import { Length } from '../../platform/http/length.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';
import { UserResponse } from '../users/public/user.dto.js';
import { IsEmailAddress } from './email.decorator.js';

/** Trims addresses and turns them to lower case, so that they compare equal. */
const EmailCase = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim().toLowerCase() : value));

const password = {
  minLength: 8,
  maxLength: 256,
  format: 'password',
  description:
    'Any characters, without rules about their mix; 12 or more are advised. The most common passwords and parts of the e-mail address are refused.',
};

export class RegisterRequest {
  @ApiProperty({ format: 'email', maxLength: 254, example: 'ada@example.com' })
  @EmailCase()
  @IsEmailAddress()
  @MaxLength(254)
  email: string;

  @ApiProperty({ ...password, example: 'correct horse battery' })
  @IsString()
  @Length(8, 256)
  password: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    minLength: 1,
    maxLength: 200,
    example: 'Ada',
    description: 'The name to show to people.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @IsStorableText()
  display_name?: string | null;
}

/** JSON with `email`, or the OAuth2 password form, which calls it `username`. */
export class LoginRequest {
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    format: 'email',
    example: 'ada@example.com',
    maxLength: 254,
    description: 'Needed unless `username` is sent.',
  })
  @EmailCase()
  @ValidateIf(({ username, email }: LoginRequest) => username == null || email != null)
  @IsString()
  @MaxLength(254)
  @IsStorableText()
  email?: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description: 'The e-mail address, under the name that the OAuth2 password form has for it.',
  })
  @EmailCase()
  @IsOptional()
  @IsString()
  @MaxLength(254)
  @IsStorableText()
  username?: string;

  @ApiProperty({ format: 'password', maxLength: 256, example: 'correct horse battery' })
  @IsString()
  @MaxLength(256)
  password: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 40,
    description:
      'A code of the second factor, when the client asks for it together with the password. In the OAuth2 form, `client_secret` has the same meaning.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(40)
  otp?: string;

  @ApiPropertyOptional({ type: String, nullable: true, description: 'Only in the OAuth2 form: `password`.' })
  @IsOptional()
  @IsString()
  grant_type?: string;

  @ApiHideProperty()
  @IsOptional()
  @IsString()
  scope?: string;

  @ApiHideProperty()
  @IsOptional()
  @IsString()
  client_id?: string;

  @ApiHideProperty()
  @IsOptional()
  @IsString()
  client_secret?: string;
}

/**
 * The code of the second factor. Clients have no secret in this API, so the OAuth2 form can carry the code in
 * `client_secret`.
 */
export function secondFactorCodeOf({ otp, client_secret: secret }: LoginRequest): string | undefined {
  return otp ?? (secret === '' ? undefined : secret);
}

export class RefreshRequest {
  @ApiProperty({
    maxLength: 500,
    example: 'prt_the-newest-refresh-token',
    description: 'The newest refresh token of this sign-in. It can be used once.',
  })
  @IsString()
  @MaxLength(500)
  refresh_token: string;
}

export class ChangePasswordRequest {
  @ApiProperty({ format: 'password', maxLength: 256, example: 'correct horse battery' })
  @IsString()
  @MaxLength(256)
  current_password: string;

  @ApiProperty({ ...password, example: 'another horse battery' })
  @IsString()
  @Length(8, 256)
  new_password: string;
}

export class ForgotPasswordRequest {
  @ApiProperty({ format: 'email', maxLength: 254, example: 'ada@example.com' })
  @EmailCase()
  @IsEmailAddress()
  @MaxLength(254)
  email: string;
}

export class ResetPasswordRequest {
  @ApiProperty({
    maxLength: 500,
    example: 'ppr_the-token-from-the-mail',
    description: 'The token from the mail. It can be used once.',
  })
  @IsString()
  @MaxLength(500)
  token: string;

  @ApiProperty({ ...password, example: 'another horse battery' })
  @IsString()
  @Length(8, 256)
  new_password: string;
}

export class VerifyEmailRequest {
  @ApiProperty({ maxLength: 500, example: 'pev_the-token-from-the-mail', description: 'The token from the mail.' })
  @IsString()
  @MaxLength(500)
  token: string;
}

/** The response of a server that wants e-mail addresses to be confirmed before the first sign-in. */
export class RegistrationPending {
  @ApiProperty({
    enum: ['email_verification'],
    enumName: 'RegistrationStep',
    description: 'What is missing before a sign-in works: the confirmation of the e-mail address.',
  })
  pending: 'email_verification';
}

/** The response to a sign-in, in the form of OAuth2 (RFC 6749, 5.1). */
export class SignedIn {
  @ApiProperty()
  user: UserResponse;

  @ApiProperty({ description: 'Send it as `Authorization: Bearer …`.' })
  access_token: string;

  @ApiProperty({ description: 'Opaque. `POST /auth/refresh` exchanges it for new tokens, once.' })
  refresh_token: string;

  @ApiProperty({ enum: ['bearer'] })
  token_type: 'bearer';

  @ApiProperty({ ...INT32, example: 900, description: 'Seconds until the access token expires.' })
  expires_in: number;
}
