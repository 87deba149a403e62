import { createHash } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/** Length of a time step in seconds. With six digits, every authenticator app supports it (RFC 6238). */
const PERIOD_SECONDS = 30;
const DIGITS = 6;
/** How many time steps a clock may be ahead or behind. */
const WINDOW = 1;
const RECOVERY_CODES = 10;

/** A new secret to share with an authenticator app: 160 random bits in base32. */
export function newSecret(): string {
  return new Secret({ size: 20 }).base32;
}

/** The address that an authenticator app reads from a QR code. */
export function otpauthUri(secret: string, issuer: string, label: string): string {
  return totp(secret, { issuer, label }).toString();
}

/** The time step of the code, if it is near enough to now; otherwise null. */
export function stepOf(secret: string, code: string, nowMs: number): number | null {
  const delta = totp(secret).validate({ token: code, timestamp: nowMs, window: WINDOW });
  return delta === null ? null : Math.floor(nowMs / 1000 / PERIOD_SECONDS) + delta;
}

/** Removes the spaces and dashes that people type. */
export function bareCode(typed: string): string {
  return typed.replaceAll(/[\s-]/g, '').toLowerCase();
}

export function isAppCode(bare: string): boolean {
  return /^\d{6}$/.test(bare);
}

/** Codes for a user who has lost the app, 120 random bits each. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () =>
    new Secret({ size: 15 }).base32.toLowerCase().replaceAll(/(.{4})(?!$)/g, '$1-'),
  );
}

/**
 * 120 random bits need no slow hash. The user id is part of the input, so equal codes of two users have different
 * hashes.
 */
export function recoveryHash(userId: string, code: string): Buffer {
  return createHash('sha256')
    .update(`${userId} ${bareCode(code)}`)
    .digest();
}

function totp(secret: string, names: { issuer?: string; label?: string } = {}): TOTP {
  return new TOTP({ ...names, secret: Secret.fromBase32(secret), digits: DIGITS, period: PERIOD_SECONDS });
}
