import { createTransport } from 'nodemailer';
import type { MailConfig } from './mail.config.js';
import { type Mail, MailRefused, type MailTransport } from './mail-transport.js';

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 20_000;

/** Sends mails to the SMTP server of `SMTP_URL`, over one connection per mail: there are few. */
export class SmtpTransport implements MailTransport {
  private readonly transport: ReturnType<typeof createTransport>;
  private readonly from: string;

  constructor(config: MailConfig) {
    this.transport = createTransport({
      url: config.smtpUrl,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      greetingTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: IDLE_TIMEOUT_MS,
      // Our texts are plain text: nothing in them is a file or an address to fetch.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    this.from = config.mailFrom;
  }

  async send({ to, subject, text }: Mail): Promise<void> {
    try {
      // An object, because a text with several addresses would be read as a list.
      await this.transport.sendMail({ from: this.from, to: { name: '', address: to }, subject, text });
    } catch (error) {
      const { responseCode } = error as { responseCode?: number };
      if (responseCode !== undefined && responseCode >= 500) throw new MailRefused('refused', { cause: error });
      throw error;
    }
  }
}
