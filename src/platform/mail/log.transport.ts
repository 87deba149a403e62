import { Logger } from '@nestjs/common';
import type { Mail, MailTransport } from './mail-transport.js';

/** Writes mails with their links to the log: for development, where only the developer reads it. */
export class LogTransport implements MailTransport {
  private readonly log = new Logger('Mail');

  send({ to, subject, text }: Mail): Promise<void> {
    this.log.log({ to, subject, text }, 'A mail, which SMTP_URL would have sent');
    return Promise.resolve();
  }
}
