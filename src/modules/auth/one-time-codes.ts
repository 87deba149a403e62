import { createHash } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/** Seconds of a time step, and digits of a code: what every authenticator app understands (RFC 6238). */
const PERIOD_SECONDS = 30;
const DIGITS = 6;
/** How many steps a clock may be ahead or behind. */
const WINDOW = 1;
const RECOVERY_CODES = 10;

/** A new secret to share with an authenticator app: 160 random bits in base32. */
export function newSecret(): string {
  return new Secret({ size: 20 }).base32;
}

/** What an app reads from a QR code. */
export function otpauthUri(secret: string, issuer: string, label: string): string {
  return totp(secret, { issuer, label }).toString();
}

/** The time step that the code is of, when it is near enough to now; else null. */
export function stepOf(secret: string, code: string, nowMs: number): number | null {
  const delta = totp(secret).validate({ token: code, timestamp: nowMs, window: WINDOW });
  return delta === null ? null : Math.floor(nowMs / 1000 / PERIOD_SECONDS) + delta;
}

/** As people type them: spaces and dashes mean nothing. */
export function bareCode(typed: string): string {
  return typed.replaceAll(/[\s-]/g, '').toLowerCase();
}

export function isAppCode(bare: string): boolean {
  return /^\d{6}$/.test(bare);
}

/** Codes for when the app is lost, 120 random bits each. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () =>
    new Secret({ size: 15 }).base32.toLowerCase().replaceAll(/(.{4})(?!$)/g, '$1-'),
  );
}

/** Nobody guesses 120 bits, so a plain digest is enough; the user is in it, so that equal codes do not show. */
export function recoveryHash(userId: string, code: string): Buffer {
  return createHash('sha256')
    .update(`${userId} ${bareCode(code)}`)
    .digest();
}

function totp(secret: string, names: { issuer?: string; label?: string } = {}): TOTP {
  return new TOTP({ ...names, secret: Secret.fromBase32(secret), digits: DIGITS, period: PERIOD_SECONDS });
}
