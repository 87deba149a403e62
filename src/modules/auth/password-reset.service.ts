import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { PasswordHasher } from '../../platform/crypto/password-hasher.js';
import { requireGoodPassword } from '../../platform/crypto/password-rules.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import type { Mail } from '../../platform/mail/mail-transport.js';
import { Mailer } from '../../platform/mail/mailer.js';
import { Revocations } from '../../platform/revocations/revocations.js';
import { type Account, UserDirectory } from '../users/public/user-directory.js';
import { ApiKeysRepository } from './api-keys.repository.js';
import type { ResetPasswordRequest } from './auth.dto.js';
import { LoginThrottle } from './login-throttle.js';
import { MailTokens } from './mail-token.js';
import { Mails } from './mails.js';
import { RecipientLimit } from './recipient-limit.js';
import { SignInsRepository } from './sign-ins.repository.js';

const TTL_MINUTES = 30;

/** A new password for who has forgotten the old one and can read the account's mail. */
@Injectable()
export class PasswordResetService {
  private readonly tokens: MailTokens;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UserDirectory,
    private readonly signIns: SignInsRepository,
    private readonly apiKeys: ApiKeysRepository,
    private readonly passwords: PasswordHasher,
    private readonly revocations: Revocations,
    private readonly throttle: LoginThrottle,
    private readonly audit: AuditLog,
    private readonly mailer: Mailer,
    private readonly mails: Mails,
    private readonly recipients: RecipientLimit,
    private readonly clock: Clock,
    keys: KeyRing,
  ) {
    this.tokens = new MailTokens('ppr_', keys.derive('password-reset'));
  }

  /** Looks nothing up: whether there is such an account is found out beside the request, so its answer can not tell. */
  forgot(email: string): void {
    this.mailer.requireConfigured();
    if (!this.mailer.post('password-reset', () => this.compose(email))) throw new AppError('overloaded');
  }

  /** One token resets one password, and the change of the password ends all that are open. */
  async reset({ token: text, new_password }: ResetPasswordRequest, address: string): Promise<void> {
    const token = this.tokens.parse(text);
    if (token === null || token.expiresAtMs <= this.clock.nowMs()) throw new AppError('invalid_mail_token');
    const { userId } = token;
    const account = await this.unitOfWork.run(token, () => this.users.findAccount(userId));
    if (account === null || !this.tokens.matches(token, stateOf(account))) throw new AppError('invalid_mail_token');
    requireGoodPassword('/new_password', new_password, account.email);
    const passwordHash = await this.passwords.hash(new_password);
    await this.unitOfWork.run(token, async () => {
      // Of two that come with the same token at once, one finds the password changed already.
      if (!(await this.users.resetPassword(userId, account.passwordHash, passwordHash)))
        throw new AppError('invalid_mail_token');
      // Whoever had the password may have made keys as well.
      const apiKeyIds = await this.apiKeys.removeAll(userId);
      await this.revocations.revoke(token, [...(await this.signIns.revokeOthers(userId, null)), ...apiKeyIds]);
      await this.throttle.remember(userId, address);
      await this.audit.record({ userId, is: 'anonymous' }, 'account.password_reset', { api_keys: apiKeyIds.length });
    });
  }

  private async compose(email: string): Promise<Mail | null> {
    const credentials = await this.users.findCredentials(email);
    if (credentials === null || credentials.isDisabled || !(await this.recipients.admits(email))) return null;
    const { userId } = credentials;
    await this.unitOfWork.run(credentials, () =>
      this.audit.record({ userId, is: 'anonymous' }, 'account.password_reset_requested'),
    );
    const expiresAtMs = this.clock.nowMs() + TTL_MINUTES * 60_000;
    const token = this.tokens.issue(userId, expiresAtMs, stateOf({ email, ...credentials }));
    return this.mails.passwordReset(email, token, TTL_MINUTES);
  }
}

/** What the use of a token changes, and with it every change of the password or the address. */
function stateOf({ email, passwordHash }: Pick<Account, 'email' | 'passwordHash'>): string {
  return JSON.stringify([email, passwordHash]);
}
