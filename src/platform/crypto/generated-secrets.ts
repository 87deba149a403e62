import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config/settings.js';
import type { CryptoConfig } from './crypto.config.js';
import { isWeak } from './strong-secret.js';

/** Fills in the secrets that are not set. They are generated once and kept in the directory, so sign-ins survive a restart. */
export function generateMissingSecrets(config: CryptoConfig, dataDir: string): void {
  config.jwtSecret ??= keptSecret(dataDir, 'jwt-secret');
  config.passwordPepper ??= keptSecret(dataDir, 'password-pepper');
  config.masterKeys ??= keptSecret(dataDir, 'master-keys', () => `1:${randomBytes(32).toString('base64')}`);
}

function keptSecret(dataDir: string, name: string, make = (): string => randomBytes(48).toString('base64url')): string {
  const folder = join(dataDir, 'secrets');
  const file = join(folder, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    // wx: if two servers start at once, one writes the file and both read it.
    writeFileSync(file, make(), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const secret = readFileSync(file, 'utf8').trim();
  if (isWeak(secret)) {
    throw new ConfigError([`${file}: does not contain a valid secret; delete the file to generate a new one`]);
  }
  return secret;
}
