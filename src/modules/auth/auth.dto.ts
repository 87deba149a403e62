import { ApiHideProperty, ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional, IsString, MaxLength, ValidateIf } from 'class-validator';
import { Length } from '../../platform/http/length.decorator.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';
import { UserResponse } from '../users/public/user.dto.js';
import { IsEmailAddress } from './email.decorator.js';

/** Addresses are compared in lower case; what surrounds them is a slip of the hand. */
const EmailCase = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim().toLowerCase() : value));

const password = {
  minLength: 8,
  maxLength: 256,
  format: 'password',
  example: 'correct horse battery',
  description:
    'Any characters, nothing has to be mixed; 12 or more are advised. The most common passwords, and parts of the e-mail address, are refused.',
};

export class RegisterRequest {
  @ApiProperty({ format: 'email', maxLength: 254, example: 'ada@example.com' })
  @EmailCase()
  @IsEmailAddress()
  @MaxLength(254)
  email: string;

  @ApiProperty(password)
  @IsString()
  @Length(8, 256)
  password: string;

  @ApiPropertyOptional({ type: String, nullable: true, minLength: 1, maxLength: 200, example: 'Ada' })
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
    description: 'Or `username`.',
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
    description: 'The e-mail address, as the OAuth2 password form names it.',
  })
  @EmailCase()
  @IsOptional()
  @IsString()
  @MaxLength(254)
  @IsStorableText()
  username?: string;

  @ApiProperty({ format: 'password', example: 'correct horse battery' })
  @IsString()
  @MaxLength(256)
  password: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 40,
    example: '123456',
    description:
      'A code of the second factor, for clients that ask for it together with the password. In the OAuth2 form, whose dialogs have no field for it, `client_secret` is taken for it.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(40)
  otp?: string;

  @ApiPropertyOptional({ type: String, nullable: true, description: 'OAuth2 form only: `password`.' })
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

/** What was given for a second factor; nobody here has a client secret, so that field of the form is free for it. */
export function secondFactorCodeOf({ otp, client_secret: secret }: LoginRequest): string | undefined {
  return otp ?? (secret === '' ? undefined : secret);
}

export class RefreshRequest {
  @ApiProperty({ description: 'The newest refresh token of this sign-in; it can be used once.' })
  @IsString()
  @MaxLength(500)
  refresh_token: string;
}

export class ChangePasswordRequest {
  @ApiProperty({ format: 'password' })
  @IsString()
  @MaxLength(256)
  current_password: string;

  @ApiProperty(password)
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
  @ApiProperty({ description: 'From the mail; it can be used once.' })
  @IsString()
  @MaxLength(500)
  token: string;

  @ApiProperty(password)
  @IsString()
  @Length(8, 256)
  new_password: string;
}

export class VerifyEmailRequest {
  @ApiProperty({ description: 'From the mail.' })
  @IsString()
  @MaxLength(500)
  token: string;
}

/** The answer to signing in, in the form of OAuth2 (RFC 6749, 5.1). */
export class SignedIn {
  @ApiProperty()
  user: UserResponse;

  @ApiProperty({ description: 'Goes into `Authorization: Bearer …`.' })
  access_token: string;

  @ApiProperty({ description: 'Opaque. Exchanged for new tokens at /auth/refresh, once.' })
  refresh_token: string;

  @ApiProperty({ enum: ['bearer'] })
  token_type: 'bearer';

  @ApiProperty({ type: 'integer', example: 900, description: 'Seconds until the access token expires.' })
  expires_in: number;
}
