import { Injectable } from '@nestjs/common';
import { MailConfig } from '../../platform/mail/mail.config.js';
import type { Mail } from '../../platform/mail/mail-transport.js';

/**
 * The words of our mails. A token stands in the fragment of its link: browsers send that to no server and in no Referer, so
 * it reaches no access log; the page at `APP_URL` reads it and posts it to the API.
 */
@Injectable()
export class Mails {
  constructor(private readonly config: MailConfig) {}

  passwordReset(to: string, token: string, minutes: number): Mail {
    return {
      to,
      subject: 'Reset your password',
      text: `Somebody, probably you, asked to reset the password of your account.

Choose a new one here, within ${minutes} minutes:

${this.link('reset-password', token)}

All devices will be signed out. If it was not you, do nothing: your password stays as it is.
`,
    };
  }

  emailVerification(to: string, token: string, hours: number): Mail {
    return {
      to,
      subject: 'Confirm your e-mail address',
      text: `An account was made with this e-mail address. If it was you, confirm the address here, within ${hours} hours:

${this.link('verify-email', token)}

If it was not you, do nothing.
`,
    };
  }

  /** For the owner of an account whose address somebody tried to register again. */
  accountExists(to: string): Mail {
    return {
      to,
      subject: 'You have an account already',
      text: `Somebody, probably you, tried to make an account with this e-mail address. You have one already: sign in, or reset
your password if you have forgotten it.

${this.config.appUrl}

If it was not you, do nothing.
`,
    };
  }

  private link(page: string, token: string): string {
    return `${this.config.appUrl.replace(/\/$/, '')}/${page}#token=${token}`;
  }
}
