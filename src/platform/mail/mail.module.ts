import { Global, Logger, Module } from '@nestjs/common';
import { ServerConfig } from '../config/server.config.js';
import { LogTransport } from './log.transport.js';
import { MAIL_TRANSPORT, type MailTransport } from './mail-transport.js';
import { Mailer } from './mailer.js';
import { MailConfig } from './mail.config.js';

/** SMTP if it is configured; otherwise the log, or in production nothing. Logs the choice at the start. */
async function transportOf({ nodeEnv }: ServerConfig, config: MailConfig): Promise<MailTransport | null> {
  const log = new Logger('Mail');
  if (config.smtpUrl !== undefined) {
    const { SmtpTransport } = await import('./smtp.transport.js');
    return new SmtpTransport(config);
  }
  if (nodeEnv === 'production') {
    log.warn('SMTP_URL is not set: no mail is sent, and passwords cannot be reset');
    return null;
  }
  log.log('SMTP_URL is not set: mails are written to this log');
  return new LogTransport();
}

@Global()
@Module({
  providers: [Mailer, { provide: MAIL_TRANSPORT, inject: [ServerConfig, MailConfig], useFactory: transportOf }],
  exports: [Mailer],
})
export class MailModule {}
