import { createHmac } from 'node:crypto';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { AppError } from '../../kernel/errors/app-error.js';
import { CryptoConfig } from './crypto.config.js';
import { KeyRing } from './key-ring.js';

/**
 * Hashes passwords with bcrypt in worker threads.
 *
 * bcrypt reads 72 bytes and stops at a NUL, so it gets base64(HMAC-SHA-256(pepper, NFC(password))): 44 characters that
 * depend on every byte, whichever way the keyboard composes an accent. A stolen database alone can not be guessed at.
 */
@Injectable()
export class PasswordHasher implements OnApplicationShutdown {
  private readonly workers: Piscina;
  /** A well-formed hash of nothing: comparing with it costs what comparing with a real one does. */
  private readonly decoy: string;

  constructor(
    private readonly config: CryptoConfig,
    private readonly keys: KeyRing,
  ) {
    this.decoy = `$2b$${String(config.bcryptCost).padStart(2, '0')}$${'abcdefghijklmnopqrstuu'}${'0'.repeat(31)}`;
    this.workers = new Piscina({
      filename: new URL('./password.worker.mjs', import.meta.url).href,
      minThreads: 0,
      maxThreads: config.workerThreads,
      idleTimeout: 10_000,
      // Where there are fewer processors than work, who chats goes first.
      niceIncrement: 10,
    });
  }

  /** Throws `overloaded` when too many wait already. */
  hash(password: string): Promise<string> {
    return this.run({ verb: 'hash', text: this.keyed(password), cost: this.config.bcryptCost });
  }

  /**
   * Whether the password belongs to the hash. Without a hash it takes as long and is false, so time tells nothing.
   * Throws `overloaded` when too many wait already.
   */
  async verify(password: string, hash: string | null): Promise<boolean> {
    const isMatch = await this.run<boolean>({
      verb: 'compare',
      text: this.keyed(password),
      hash: hash ?? this.decoy,
    });
    return isMatch && hash !== null;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.workers.close({ force: true });
  }

  /** Passwords are dear to check: a line without an end would keep everybody waiting for those who have given up. */
  private async run<T>(job: object): Promise<T> {
    if (this.workers.queueSize >= this.config.passwordQueue) throw new AppError('overloaded', { retryAfterSeconds: 2 });
    return (await this.workers.run(job)) as T;
  }

  private keyed(password: string): string {
    return createHmac('sha256', this.keys.passwordPepper).update(password.normalize('NFC')).digest('base64');
  }
}
