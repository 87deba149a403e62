import type { AuthConfig } from './public/auth.config.js';
import type { RateLimit } from '../../platform/rate-limit/rate-limiter.js';

const MINUTE = 60;
const QUARTER = 900;
const HOUR = 3600;

const limit = (name: string, count: number, windowSeconds: number): RateLimit => ({
  name,
  limit: count,
  windowSeconds,
});

/** The rate limits of requests without a sign-in. The counts are settings, the windows are fixed. */
export const AUTH_LIMITS = {
  /** Wrong passwords for one account from one address. */
  failuresFromAddressForAccount: (config: AuthConfig) => limit('login', config.loginFailures, QUARTER),
  /** Wrong passwords from one address, whatever the account. */
  failuresFromAddress: (config: AuthConfig) => limit('login-address', config.loginFailuresPerAddress, QUARTER),
  /** Wrong passwords for one account, from all addresses without an earlier sign-in to it. */
  failuresForAccount: (config: AuthConfig) => limit('login-account', config.loginFailuresPerAccount, HOUR),
  /** Requests to sign in, counted before their contents are read. */
  signInRequests: (config: AuthConfig) => limit('sign-in', config.signInRequestsPerAddress, MINUTE),
  registrations: (config: AuthConfig) => limit('register', config.registrationsPerAddress, HOUR),
  refreshes: (config: AuthConfig) => limit('refresh', config.refreshesPerAddress, QUARTER),
  /** Requests that send an e-mail or use a token from one. */
  mailRequests: (config: AuthConfig) => limit('mail', config.mailRequestsPerAddress, HOUR),
  /** E-mails to one recipient, whoever requests them. */
  mails: (config: AuthConfig) => limit('mails', config.mailsPerRecipient, HOUR),
  passwordChanges: (config: AuthConfig) => limit('password', config.loginFailuresPerAddress, QUARTER),
};
