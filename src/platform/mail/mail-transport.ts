/** A mail to one person, in plain text. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Delivers mails: through SMTP, to the log in development, or in a way of your own. */
export interface MailTransport {
  /** Resolves when the mail was accepted. Rejects otherwise; with `MailRefused` if a retry is useless. */
  send(mail: Mail): Promise<void>;
}

/** Injects the transport that the settings choose, or null on a server that sends no mail. */
export const MAIL_TRANSPORT = Symbol('MAIL_TRANSPORT');

/** The server refused the mail permanently (5xx of RFC 5321), so a retry is useless. */
export class MailRefused extends Error {}
