import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { INT32 } from '../../platform/http/api-schema.js';
import { IsString, MaxLength } from 'class-validator';

const password = { format: 'password', maxLength: 256, example: 'correct horse battery' };
const code = {
  maxLength: 40,
  example: '123456',
  description: 'Six digits from the authenticator app, or a recovery code. Each code works once.',
};

export class StartSecondFactorRequest {
  @ApiProperty(password)
  @IsString()
  @MaxLength(256)
  password: string;
}

export class ConfirmSecondFactorRequest {
  @ApiProperty({ maxLength: 40, example: '123456', description: 'Six digits from the authenticator app.' })
  @IsString()
  @MaxLength(40)
  code: string;
}

export class SecondFactorProof {
  @ApiProperty(password)
  @IsString()
  @MaxLength(256)
  password: string;

  @ApiProperty(code)
  @IsString()
  @MaxLength(40)
  code: string;
}

export class LoginWithSecondFactorRequest {
  @ApiProperty({
    maxLength: 2000,
    example: 'the-challenge-from-the-problem',
    description: 'From the problem `second_factor_required`. Valid for five minutes.',
  })
  @IsString()
  @MaxLength(2000)
  challenge: string;

  @ApiProperty(code)
  @IsString()
  @MaxLength(40)
  code: string;
}

@ApiSchema({ name: 'SecondFactor' })
export class SecondFactorResponse {
  @ApiProperty({ description: 'Whether sign-in asks for a code.' })
  enabled: boolean;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'null: it is off.' })
  enabled_at: string | null;

  @ApiProperty({ ...INT32, example: 10, description: 'Recovery codes that have not been used.' })
  recovery_codes_left: number;
}

export class SecondFactorOffer {
  @ApiProperty({
    example: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
    description: 'The secret to type into an authenticator app.',
  })
  secret: string;

  @ApiProperty({
    example: 'otpauth://totp/parley:ada%40example.com?issuer=parley&secret=…',
    description: 'The same secret as a URI, to show as a QR code.',
  })
  otpauth_uri: string;
}

export class RecoveryCodes {
  @ApiProperty({
    type: [String],
    example: ['abcd-efgh-ijkl-mnop-qrst-uvwx'],
    description: 'Shown only in this response. Each code replaces the app for one sign-in.',
  })
  recovery_codes: string[];
}
