import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import type { Mail } from '../../platform/mail/mail-transport.js';
import { Mailer } from '../../platform/mail/mailer.js';
import { UserDirectory } from '../users/public/user-directory.js';
import { MailTokens } from './mail-token.js';
import { Mails } from './mails.js';
import { RecipientLimit } from './recipient-limit.js';

const TTL_HOURS = 24;

/** Verifies that an account's e-mail address belongs to its owner. */
@Injectable()
export class EmailVerificationService {
  private readonly tokens: MailTokens;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UserDirectory,
    private readonly audit: AuditLog,
    private readonly mailer: Mailer,
    private readonly mails: Mails,
    private readonly recipients: RecipientLimit,
    private readonly clock: Clock,
    keys: KeyRing,
  ) {
    this.tokens = new MailTokens('pev_', keys.derive('email-verification'));
  }

  /** Sends the e-mail again, unless the address is verified already. */
  request({ userId }: Actor): void {
    this.mailer.requireConfigured();
    if (!this.post(userId)) throw new AppError('overloaded');
  }

  /** False when the mailer did not accept the e-mail. */
  post(userId: string): boolean {
    return this.mailer.post('email-verification', () => this.compose(userId));
  }

  /** Tells the owner of an account that somebody tried to register its address. */
  postAccountExists(email: string): void {
    this.mailer.post('account-exists', async () =>
      (await this.recipients.admits(email)) ? this.mails.accountExists(email) : null,
    );
  }

  /**
   * A token can be used again until it expires, because virus scanners open the links in e-mails before their readers
   * do.
   */
  async verify(text: string): Promise<void> {
    const token = this.tokens.parse(text);
    if (token === null || token.expiresAtMs <= this.clock.nowMs()) throw new AppError('invalid_mail_token');
    const { userId } = token;
    await this.unitOfWork.run(token, async () => {
      const account = await this.users.findAccount(userId);
      if (account === null || !this.tokens.matches(token, account.email)) throw new AppError('invalid_mail_token');
      if (!(await this.users.verifyEmail(userId))) return;
      await this.audit.record({ userId, is: 'anonymous' }, 'account.email_verified');
    });
  }

  private async compose(userId: string): Promise<Mail | null> {
    const account = await this.unitOfWork.run({ userId }, () => this.users.findAccount(userId));
    if (account === null || account.emailVerifiedAt !== null) return null;
    if (!(await this.recipients.admits(account.email))) return null;
    const expiresAtMs = this.clock.nowMs() + TTL_HOURS * 3_600_000;
    const token = this.tokens.issue(userId, expiresAtMs, account.email);
    return this.mails.emailVerification(account.email, token, TTL_HOURS);
  }
}
