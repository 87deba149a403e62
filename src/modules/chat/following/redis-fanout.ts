import { setTimeout as sleep } from 'node:timers/promises';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { RedisStreams } from '../../../platform/redis/redis-streams.js';
import type { LiveTurn } from './live-turn.js';
import { type FanoutMail, readMails, type TextMail, writeMails } from './fanout-mail.js';
import { PublishedTurns, READER_MS } from './published-turns.js';
import type { TurnFanout, TurnFollower, TurnLine } from './turn-fanout.js';

/**
 * The least time between two batches. Text that is written meanwhile goes into one batch, however many turns there are.
 */
const SEND_EVERY_MS = 10;
/** The pause after a failed batch. */
const RETRY_MS = 1000;
/**
 * The least time between two requests for missing text. Text that was already on its way when the first request was
 * sent is ignored.
 */
const GAP_MS = 500;
/** How long shutdown waits for a Redis that does not respond. */
const LAST_SEND_MS = 300;
const TOPIC = 'parley:turns';

const inboxOf = (instance: string): string => `parley:inbox:${instance}`;

interface Line {
  readonly messageId: string;
  readonly follower: TurnFollower;
  /** The instance that was asked for the text. */
  owner: string | null;
  /** The time of the last gap in the text, on the clock of `performance.now()`; null when there is none. */
  gapAt: number | null;
}

/**
 * A fan-out over Redis Streams, where each instance has an inbox. A follower asks the instance that runs a turn and
 * receives the text from its own position on. So turns without followers on other instances write nothing to Redis, an
 * instance reads only two streams however many turns it follows, and a follower that missed text asks again.
 */
export class RedisFanout implements TurnFanout, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly streams: RedisStreams;
  private readonly published: PublishedTurns;
  private readonly lines = new Map<string, Line>();
  private outbox = new Map<string, FanoutMail[]>();
  private sending: Promise<void> | null = null;
  private sendTimer: NodeJS.Timeout | null = null;
  private nextSendAt = 0;
  private renewTimer: NodeJS.Timeout;

  /** @param owner this instance, as in `TurnClaims.owner` */
  constructor(
    url: string,
    private readonly owner: string,
  ) {
    this.published = new PublishedTurns(
      () => this.sendSoon(),
      (messageId, reader) => this.post(inboxOf(reader), { kind: 'end', messageId }),
    );
    this.streams = new RedisStreams(url, inboxOf(owner), TOPIC, {
      hear: (payload) => {
        for (const mail of readMails(payload)) this.receive(mail);
      },
      connected: () => {
        this.published.recall();
        this.renew();
        this.sendSoon();
      },
    });
  }

  onApplicationBootstrap(): void {
    this.streams.start();
    this.renewTimer = setInterval(() => {
      this.published.sweep();
      this.renew();
    }, READER_MS / 3);
    this.renewTimer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.renewTimer);
    // Send a last batch, so followers learn at once that this instance has dropped their turns. Without it they find
    // out by polling the database.
    const last = (this.sending ?? Promise.resolve()).then(() => this.send());
    await Promise.race([last, sleep(LAST_SEND_MS, undefined, { ref: false })]);
    this.streams.close();
    if (this.sendTimer !== null) clearTimeout(this.sendTimer);
  }

  get isConnected(): boolean {
    return this.streams.isConnected;
  }

  publish(live: LiveTurn, isTakenOver: boolean): void {
    this.published.add(live);
    if (isTakenOver) this.post(TOPIC, { kind: 'running', messageId: live.started.answer.id, owner: this.owner });
  }

  follow(messageId: string, follower: TurnFollower): TurnLine {
    const line: Line = { messageId, follower, owner: null, gapAt: null };
    this.lines.set(messageId, line);
    return { from: (owner) => this.ask(line, owner), close: () => this.drop(line) };
  }

  private ask(line: Line, owner: string): void {
    if (line.owner === owner) return;
    this.leave(line);
    line.owner = owner;
    line.gapAt = null;
    this.askAgain(line);
  }

  private askAgain({ messageId, follower, owner }: Line): void {
    if (owner === null) return;
    this.post(inboxOf(owner), { kind: 'follow', messageId, reader: this.owner, ...follower.position() });
  }

  private leave({ messageId, owner }: Line): void {
    if (owner !== null) this.post(inboxOf(owner), { kind: 'leave', messageId, reader: this.owner });
  }

  private drop(line: Line): void {
    if (this.lines.get(line.messageId) !== line) return;
    this.lines.delete(line.messageId);
    this.leave(line);
  }

  private renew(): void {
    for (const line of this.lines.values()) this.askAgain(line);
  }

  private receive(mail: FanoutMail): void {
    const { kind, messageId } = mail;
    const line = this.lines.get(messageId);
    if (kind === 'follow') {
      if (!this.published.follow(mail)) this.post(inboxOf(mail.reader), { kind: 'end', messageId });
    } else if (kind === 'leave') this.published.leave(messageId, mail.reader);
    else if (line === undefined) return;
    else if (kind === 'text') this.pass(line, mail);
    else {
      if (kind === 'running') this.ask(line, mail.owner);
      line.follower.onChange();
    }
  }

  private pass(line: Line, { attempt, offset, text }: TextMail): void {
    if (line.follower.onText({ attempt, offset }, text)) {
      line.gapAt = null;
      return;
    }
    const now = performance.now();
    if (line.gapAt !== null && now - line.gapAt < GAP_MS) return;
    line.gapAt = now;
    this.askAgain(line);
  }

  private post(stream: string, mail: FanoutMail): void {
    // Keep nothing while Redis is unavailable: followers ask again when it is back.
    if (!this.streams.isReady) return;
    append(this.outbox, stream, mail);
    this.sendSoon();
  }

  private sendSoon(): void {
    if (this.sending !== null || this.sendTimer !== null || !this.streams.isReady) return;
    const waitMs = Math.max(0, this.nextSendAt - performance.now());
    this.sendTimer = setTimeout(() => {
      this.sendTimer = null;
      this.sending = this.send().finally(() => {
        this.sending = null;
        if (this.outbox.size > 0 || this.published.hasNews) this.sendSoon();
      });
    }, waitMs);
    this.sendTimer.unref();
  }

  /** Sends one batch at a time, so a slow Redis gets fewer and larger batches. Never fails. */
  private async send(): Promise<void> {
    if (!this.streams.isReady) return;
    const [outbox, pieces] = [this.outbox, this.published.collect()];
    this.outbox = new Map();
    for (const { to, mail } of pieces) append(outbox, inboxOf(to), mail);
    if (outbox.size === 0) return;
    try {
      await this.streams.send(new Map([...outbox].map(([stream, mails]) => [stream, writeMails(mails)])));
      this.published.confirm(pieces, true);
      this.nextSendAt = performance.now() + SEND_EVERY_MS;
    } catch {
      // The streams log the error. Text is sent again to the readers that remain; all other messages are repeated
      // periodically.
      this.published.confirm(pieces, false);
      this.nextSendAt = performance.now() + RETRY_MS;
    }
  }
}

function append(outbox: Map<string, FanoutMail[]>, stream: string, mail: FanoutMail): void {
  const mails = outbox.get(stream);
  if (mails === undefined) outbox.set(stream, [mail]);
  else mails.push(mail);
}
