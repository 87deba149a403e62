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

/** Lets users who forgot their password set a new one with a link from an e-mail. */
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

  /** Looks up the account in the background, so the response cannot reveal whether it exists. */
  forgot(email: string): void {
    this.mailer.requireConfigured();
    if (!this.mailer.post('password-reset', () => this.compose(email))) throw new AppError('overloaded');
  }

  /** A token works once: changing the password invalidates all open tokens of the account. */
  async reset({ token: text, new_password }: ResetPasswordRequest, address: string): Promise<void> {
    const token = this.tokens.parse(text);
    if (token === null || token.expiresAtMs <= this.clock.nowMs()) throw new AppError('invalid_mail_token');
    const { userId } = token;
    const account = await this.unitOfWork.run(token, () => this.users.findAccount(userId));
    if (account === null || !this.tokens.matches(token, stateOf(account))) throw new AppError('invalid_mail_token');
    requireGoodPassword('/new_password', new_password, account.email);
    const passwordHash = await this.passwords.hash(new_password);
    await this.unitOfWork.run(token, async () => {
      // Of two concurrent requests with the same token, the second finds the password changed.
      if (!(await this.users.resetPassword(userId, account.passwordHash, passwordHash)))
        throw new AppError('invalid_mail_token');
      // An attacker with the old password may have created API keys too.
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

/** Any change of the password or the address changes this state, and so invalidates open tokens. */
function stateOf({ email, passwordHash }: Pick<Account, 'email' | 'passwordHash'>): string {
  return JSON.stringify([email, passwordHash]);
}
