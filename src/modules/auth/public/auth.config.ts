import { IsBoolean } from 'class-validator';
import { IsWhole } from '../../../platform/config/checks.js';
import { Variable } from '../../../platform/config/variable.decorator.js';

const IsCount = (): PropertyDecorator => IsWhole(1, 1_000_000);

/** How long users stay signed in, and how often strangers may try. */
export class AuthConfig {
  static readonly title = 'Sign-in';

  @Variable('Seconds after which a sign-in ends unless its tokens are refreshed.')
  @IsWhole(60)
  jwtRefreshTtlSeconds: number = 30 * 86_400;

  @Variable(
    'Seconds after which a sign-in ends even when its tokens are refreshed. The user must then enter the password again.',
  )
  @IsWhole(60)
  signInMaxSeconds: number = 90 * 86_400;

  @Variable(
    'Whether users must verify their email address before they can sign in or write anything. If true, registration answers 202 whether or not the account exists. Requires SMTP_URL in production.',
  )
  @IsBoolean()
  requireVerifiedEmail: boolean = false;

  @Variable(
    'Maximum number of wrong passwords in 15 minutes for one account from one client address. Further attempts are answered with 429.',
  )
  @IsCount()
  loginFailures: number = 10;

  @Variable(
    'Maximum number of wrong passwords in 15 minutes from one client address, for accounts that never signed in from it.',
  )
  @IsCount()
  loginFailuresPerAddress: number = 100;

  @Variable(
    'Maximum number of wrong passwords per hour for one account, from all client addresses that it never signed in from. Owners can still sign in from a known address.',
  )
  @IsCount()
  loginFailuresPerAccount: number = 50;

  @Variable(
    'Maximum number of sign-in requests per minute from one client address, successful or not, counted by each instance before it reads the request.',
  )
  @IsCount()
  signInRequestsPerAddress: number = 600;

  @Variable('Maximum number of registrations per hour from one client address.')
  @IsCount()
  registrationsPerAddress: number = 30;

  @Variable('Maximum number of token refreshes in 15 minutes from one client address.')
  @IsCount()
  refreshesPerAddress: number = 1000;

  @Variable(
    'Maximum number of requests per hour, from one client address, that send an email or redeem a token from one.',
  )
  @IsCount()
  mailRequestsPerAddress: number = 30;

  @Variable(
    'Maximum number of emails per hour to one recipient. Further emails are not sent, and the request is answered as usual.',
  )
  @IsCount()
  mailsPerRecipient: number = 5;
}
