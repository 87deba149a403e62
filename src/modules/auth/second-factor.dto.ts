import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';

const password = { format: 'password', example: 'correct horse battery' };
const code = {
  maxLength: 40,
  example: '123456',
  description: 'Six digits from the authenticator app, or a recovery code. Each is good once.',
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

export class SecondFactorLoginRequest {
  @ApiProperty({ description: 'From the problem `second_factor_required`; good for five minutes.' })
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

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  enabled_at: string | null;

  @ApiProperty({ type: 'integer', example: 10 })
  recovery_codes_left: number;
}

export class SecondFactorOffer {
  @ApiProperty({ example: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', description: 'To type into an authenticator app.' })
  secret: string;

  @ApiProperty({
    example: 'otpauth://totp/parley:ada%40example.com?issuer=parley&secret=…',
    description: 'The same as an address, to be shown as a QR code.',
  })
  otpauth_uri: string;
}

export class RecoveryCodes {
  @ApiProperty({
    type: [String],
    example: ['abcd-efgh-ijkl-mnop-qrst-uvwx'],
    description: 'Shown this once. Each replaces the app for one sign-in.',
  })
  recovery_codes: string[];
}
