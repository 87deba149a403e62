import { createHmac } from 'node:crypto';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { AppError } from '../../kernel/errors/app-error.js';
import { CryptoConfig } from './crypto.config.js';
import { KeyRing } from './key-ring.js';

/**
 * Hashes passwords with bcrypt in worker threads.
 *
 * bcrypt reads only 72 bytes and stops at a NUL, so it gets base64(HMAC-SHA-256(pepper, NFC(password))): 44 characters that
 * depend on every byte. NFC makes all encodings of an accent equal. Without the pepper, a stolen database cannot be guessed.
 */
@Injectable()
export class PasswordHasher implements OnApplicationShutdown {
  private readonly workers: Piscina;
  /** A well-formed hash of nothing: comparing with it takes as long as comparing with a real one. */
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
      // When processors are scarce, chats have priority.
      niceIncrement: 10,
    });
  }

  /** Throws `overloaded` when too many jobs are waiting. */
  hash(password: string): Promise<string> {
    return this.run({ verb: 'hash', text: this.keyed(password), cost: this.config.bcryptCost });
  }

  /**
   * Whether the password belongs to the hash. Without a hash it returns false after the same time, so that the time reveals
   * nothing. Throws `overloaded` when too many jobs are waiting.
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

  /** Hashing is expensive: an unbounded queue would delay everyone for the sake of clients that have already given up. */
  private async run<T>(job: object): Promise<T> {
    if (this.workers.queueSize >= this.config.passwordQueue) throw new AppError('overloaded', { retryAfterSeconds: 2 });
    return (await this.workers.run(job)) as T;
  }

  private keyed(password: string): string {
    return createHmac('sha256', this.keys.passwordPepper).update(password.normalize('NFC')).digest('base64');
  }
}
