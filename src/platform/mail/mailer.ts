import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { MailConfig } from './mail.config.js';
import { type Mail, MAIL_TRANSPORT, MailRefused, type MailTransport } from './mail-transport.js';

const MAX_WAITING = 1000;
const MAX_SENDING = 4;
/** Attempts to send a mail; each pause is four times as long as the one before. */
const MAX_ATTEMPTS = 4;
/** How long a server that shuts down waits for mails that are being sent. */
const DRAIN_MS = 3000;

interface Job {
  /** The kind of mail, for the log. */
  readonly kind: string;
  readonly compose: () => Promise<Mail | null>;
}

/**
 * Sends mails in the background, so that the time of a response depends neither on the mail server nor on whether there is a
 * recipient. Waiting mails are lost when their instance ends; users can request every kind of mail again.
 */
@Injectable()
export class Mailer implements BeforeApplicationShutdown {
  private readonly log = new Logger(Mailer.name);
  private readonly waiting: Job[] = [];
  /** Jobs run in their own async context, outside the unit of work of the request that posted them. */
  private readonly context = new AsyncResource('Mailer');
  private readonly stopping = new AbortController();
  private sending = 0;
  private idle: (() => void)[] = [];

  constructor(
    @Inject(MAIL_TRANSPORT) private readonly transport: MailTransport | null,
    private readonly config: MailConfig,
  ) {}

  /** Throws `mail_not_configured` on a server that sends no mail. */
  requireConfigured(): void {
    if (this.transport === null) throw new AppError('mail_not_configured');
  }

  /**
   * Queues a mail to be composed and sent later, and returns at once. `compose` runs outside the caller's unit of work; null
   * sends nothing. Returns false and logs a warning when a thousand mails are waiting. On a server without mail it does
   * nothing and returns true.
   */
  post(kind: string, compose: () => Promise<Mail | null>): boolean {
    if (this.transport === null) return true;
    if (this.waiting.length >= MAX_WAITING) {
      this.log.warn({ kind }, 'A mail was dropped: too many wait');
      return false;
    }
    this.waiting.push({ kind, compose });
    this.context.runInAsyncScope(() => this.pump());
    return true;
  }

  /** Resolves when no mail is waiting or being sent. */
  async settled(): Promise<void> {
    if (this.sending > 0 || this.waiting.length > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.race([this.settled(), sleep(DRAIN_MS, undefined, { ref: false })]);
    const left = this.waiting.splice(0).length + this.sending;
    if (left > 0) this.log.warn({ left }, 'Mails were not sent before the end');
    this.stopping.abort();
  }

  private pump(): void {
    while (this.sending < MAX_SENDING && this.waiting.length > 0) {
      this.sending += 1;
      void this.deliver(this.waiting.shift() as Job).finally(() => {
        this.sending -= 1;
        this.pump();
      });
    }
    if (this.sending === 0) for (const resolve of this.idle.splice(0)) resolve();
  }

  /** Never rejects. */
  private async deliver({ kind, compose }: Job): Promise<void> {
    let mail: Mail | null | undefined;
    for (let attempt = 1; ; attempt++) {
      try {
        // Composed only once, because composing counts and records things.
        if (mail === undefined) mail = await compose();
        if (mail !== null) await this.transport?.send(mail);
        return;
      } catch (error) {
        const isLast = attempt === MAX_ATTEMPTS || error instanceof MailRefused || this.stopping.signal.aborted;
        const facts = { kind, attempt, ...causeOf(error) };
        if (isLast) return void this.log.error(facts, 'A mail was given up');
        this.log.warn(facts, 'A mail was not sent, it is tried again');
        await this.pause(attempt);
      }
    }
  }

  private async pause(attempt: number): Promise<void> {
    const ms = this.config.mailRetryMs * 4 ** (attempt - 1) * (0.75 + Math.random() / 4);
    await sleep(ms, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
  }
}

/** Only codes: the text of a mail server repeats the address. */
function causeOf(error: unknown): Record<string, unknown> {
  const { code, responseCode, command } = ((error as Error).cause ?? error) as Record<string, unknown>;
  return { code, responseCode, command };
}
