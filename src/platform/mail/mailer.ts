import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { MailConfig } from './mail.config.js';
import { type Mail, MAIL_TRANSPORT, MailRefused, type MailTransport } from './mail-transport.js';

const MAX_WAITING = 1000;
const MAX_SENDING = 4;
/** How often a mail is tried; each pause is four times as long as the one before. */
const MAX_ATTEMPTS = 4;
/** How long a server that goes down waits for mails that are on their way. */
const DRAIN_MS = 3000;

interface Job {
  /** What kind of mail it is, for the log. */
  readonly kind: string;
  readonly compose: () => Promise<Mail | null>;
}

/**
 * Sends mails beside the requests that ask for them, so that neither the mail server nor the question whether there is
 * anybody to write to shows in the time of an answer. Mails that wait are lost with their instance: every mail of ours can
 * be asked for again.
 */
@Injectable()
export class Mailer implements BeforeApplicationShutdown {
  private readonly log = new Logger(Mailer.name);
  private readonly waiting: Job[] = [];
  /** Jobs run in the context of nobody: not in the unit of work of the request that posted them. */
  private readonly context = new AsyncResource('Mailer');
  private readonly stopping = new AbortController();
  private sending = 0;
  private idle: (() => void)[] = [];

  constructor(
    @Inject(MAIL_TRANSPORT) private readonly transport: MailTransport | null,
    private readonly config: MailConfig,
  ) {}

  /** Throws `mail_not_configured` on a server that sends none. */
  requireConfigured(): void {
    if (this.transport === null) throw new AppError('mail_not_configured');
  }

  /**
   * Takes a mail to be composed and sent later, and comes back at once. `compose` runs outside of the caller's unit of
   * work; null sends nothing. False, with a line in the log, when a thousand wait already; on a server without mail nothing
   * is done and that is true.
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

  /** Resolves when nothing waits and nothing is being sent. */
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
        // Composed once: what it counts and records has happened then.
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

/** Codes alone: what a mail server says repeats the address. */
function causeOf(error: unknown): Record<string, unknown> {
  const { code, responseCode, command } = ((error as Error).cause ?? error) as Record<string, unknown>;
  return { code, responseCode, command };
}
