import { IsOptional, Matches } from 'class-validator';
import { IsAddress, IsWhole } from '../config/checks.js';
import { Variable } from '../config/variable.decorator.js';

/** The mail server, and what emails say about this one. */
export class MailConfig {
  static readonly title = 'Email';

  @Variable(
    'Address of the mail server: smtp://user:password@host:587, or smtps:// for TLS from the start. With ?requireTLS=true no email is sent over an unencrypted connection. When empty, development writes emails to the log; production sends none and answers requests for an email with an error.',
    { secret: true },
  )
  @IsOptional()
  @IsAddress('smtp', 'smtps')
  smtpUrl?: string;

  @Variable('Sender of emails, as an address or as Name <address>.')
  @Matches(/^(?:[^<>\r\n]+ <[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/, {
    message: 'must be an address or Name <address>',
  })
  mailFrom: string = 'Parley <parley@localhost>';

  @Variable(
    'Address of your web app, to which emails link. Its pages /reset-password and /verify-email receive the token in the fragment, #token=….',
  )
  @IsAddress('http', 'https')
  appUrl: string = 'http://localhost:3000';

  @Variable(
    'Milliseconds before a failed email is sent again. Each further delay is four times as long as the one before.',
  )
  @IsWhole(1)
  mailRetryMs: number = 2000;

  static problems({ smtpUrl, mailFrom, appUrl }: MailConfig, isProduction: boolean): string[] {
    if (!isProduction || smtpUrl === undefined) return [];
    const isLocal = (address: string): boolean => /[@/]localhost\b/.test(address);
    return [
      ...(isLocal(mailFrom) ? ['MAIL_FROM: must not be an address at localhost in production'] : []),
      ...(isLocal(appUrl) ? ['APP_URL: must not be localhost in production'] : []),
    ];
  }
}
