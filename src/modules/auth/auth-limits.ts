import type { AppConfig } from '../../platform/config/app-config.js';
import type { RateLimit } from '../../platform/rate-limit/rate-limiter.js';

const MINUTE = 60;
const QUARTER = 900;
const HOUR = 3600;

const limit = (name: string, count: number, windowSeconds: number): RateLimit => ({
  name,
  limit: count,
  windowSeconds,
});

/** What may be asked how often before anybody is signed in. The counts are settings, the windows are not. */
export const AUTH_LIMITS = {
  /** Wrong passwords for one account from one address. */
  failuresFromAddressForAccount: (config: AppConfig) => limit('login', config.loginFailures, QUARTER),
  /** Wrong passwords from one address, whatever the account. */
  failuresFromAddress: (config: AppConfig) => limit('login-address', config.loginFailuresPerAddress, QUARTER),
  /** Wrong passwords for one account, from all addresses that it has never been signed in from. */
  failuresForAccount: (config: AppConfig) => limit('login-account', config.loginFailuresPerAccount, HOUR),
  /** Requests to sign in, whatever is in them: counted before they are read. */
  signInRequests: (config: AppConfig) => limit('sign-in', config.signInRequestsPerAddress, MINUTE),
  registrations: (config: AppConfig) => limit('register', config.registrationsPerAddress, HOUR),
  refreshes: (config: AppConfig) => limit('refresh', config.refreshesPerAddress, QUARTER),
  /** Requests that send a mail, or that try a token from one. */
  mailRequests: (config: AppConfig) => limit('mail', config.mailRequestsPerAddress, HOUR),
  /** Mails to one recipient, whoever asks for them. */
  mails: (config: AppConfig) => limit('mails', config.mailsPerRecipient, HOUR),
  passwordChanges: (config: AppConfig) => limit('password', config.loginFailuresPerAddress, QUARTER),
};
