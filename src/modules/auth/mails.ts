import { Injectable } from '@nestjs/common';
import { MailConfig } from '../../platform/mail/mail.config.js';
import type { Mail } from '../../platform/mail/mail-transport.js';

/**
 * The texts of our e-mails. Each link has its token in the fragment. Browsers send the fragment to no server and in no Referer
 * header, so it reaches no access log. The page at `APP_URL` reads the token and posts it to the API.
 */
@Injectable()
export class Mails {
  constructor(private readonly config: MailConfig) {}

  passwordReset(to: string, token: string, minutes: number): Mail {
    return {
      to,
      subject: 'Reset your password',
      text: `We received a request to reset the password of your account.

To choose a new password, open this link within ${minutes} minutes:

${this.link('reset-password', token)}

This signs out all your devices. If you did not ask for it, ignore this e-mail: your password does not change.
`,
    };
  }

  emailVerification(to: string, token: string, hours: number): Mail {
    return {
      to,
      subject: 'Confirm your e-mail address',
      text: `An account was created with this e-mail address. To confirm the address, open this link within ${hours} hours:

${this.link('verify-email', token)}

If you did not create the account, ignore this e-mail.
`,
    };
  }

  /** Tells the owner of an account that somebody tried to register its address again. */
  accountExists(to: string): Mail {
    return {
      to,
      subject: 'You already have an account',
      text: `We received a request to create an account with this e-mail address, but you already have one. Sign in, or reset your
password if you have forgotten it:

${this.config.appUrl}

If you did not ask for it, ignore this e-mail.
`,
    };
  }

  private link(page: string, token: string): string {
    return `${this.config.appUrl.replace(/\/$/, '')}/${page}#token=${token}`;
  }
}
