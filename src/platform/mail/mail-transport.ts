/** A mail to one person, in plain text. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** The socket for whatever takes mails: SMTP, the log of a development machine, or one of your own. */
export interface MailTransport {
  /** Resolves when the mail was taken over. Rejects otherwise; see `isPermanent`. */
  send(mail: Mail): Promise<void>;
}

/** Injects the transport that config has chosen, or null on a server that sends no mail. */
export const MAIL_TRANSPORT = Symbol('MAIL_TRANSPORT');

/** A mail that no repetition will get through: the server has said so for good (5xx of RFC 5321). */
export class MailRefused extends Error {}
