import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { Sweeps } from '../../platform/jobs/sweeps.js';
import { UsersModule } from '../users/users.module.js';
import { AccessTokens } from './access-tokens.js';
import { ApiKeyAccess } from './api-key-access.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysRepository } from './api-keys.repository.js';
import { ApiKeysService } from './api-keys.service.js';
import { AuthMailController } from './auth-mail.controller.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { AccountAccess } from './public/account-access.js';
import { Reauthentication } from './public/reauthentication.js';
import { JwtGuard } from './jwt.guard.js';
import { JwtStrategy } from './jwt.strategy.js';
import { KeySetController } from './key-set.controller.js';
import { EmailVerificationService } from './email-verification.service.js';
import { Mails } from './mails.js';
import { PasswordResetService } from './password-reset.service.js';
import { RecipientLimit } from './recipient-limit.js';
import { LoginThrottle } from './login-throttle.js';
import { SignInAddressesRepository } from './sign-in-addresses.repository.js';
import { SecondFactorCheck } from './second-factor-check.js';
import { SecondFactorController } from './second-factor.controller.js';
import { SecondFactorService } from './second-factor.service.js';
import { SecondFactorsRepository } from './second-factors.repository.js';
import { VerifiedTokens } from './verified-tokens.js';
import { SignInsController } from './sign-ins.controller.js';
import { SignInsRepository } from './sign-ins.repository.js';
import { SignInsService } from './sign-ins.service.js';
import { SignIn } from './sign-in.entity.js';
import { SecondFactor } from './second-factor.entity.js';
import { ApiKey } from './api-key.entity.js';

const SWEEP_MS = 3_600_000;
/** Long enough to see who was signed in when an incident is discovered. The audit log goes back further. */
const KEEP_DAYS = 30;

@Module({
  imports: [
    TypeOrmModule.forFeature([ApiKey, SecondFactor, SignIn]),
    UsersModule,
    PassportModule.register({ session: false }),
  ],
  controllers: [
    AuthController,
    AuthMailController,
    SignInsController,
    ApiKeysController,
    KeySetController,
    SecondFactorController,
  ],
  providers: [
    AuthService,
    AccountAccess,
    Reauthentication,
    AccessTokens,
    SignInsRepository,
    SignInAddressesRepository,
    LoginThrottle,
    SecondFactorsRepository,
    SecondFactorCheck,
    SecondFactorService,
    SignInsService,
    ApiKeysRepository,
    ApiKeysService,
    ApiKeyAccess,
    PasswordResetService,
    EmailVerificationService,
    Mails,
    RecipientLimit,
    VerifiedTokens,
    JwtStrategy,
    { provide: APP_GUARD, useClass: JwtGuard },
  ],
  exports: [AccountAccess, Reauthentication],
})
export class AuthModule {
  constructor(sweeps: Sweeps, signIns: SignInsRepository) {
    sweeps.every(SWEEP_MS, 'Old sign-ins were not removed', () => signIns.sweep(KEEP_DAYS));
  }
}
