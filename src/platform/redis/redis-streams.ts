import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { REDIS_OPTIONS } from './redis-options.js';

/** The approximate length of a stream; slow readers lose older messages. */
const MAX_LENGTH = 1000;
/** An unused stream is deleted after this time. */
const KEEP_SECONDS = 120;
const READ_COUNT = 200;
const BLOCK_MS = 5000;
/** A connection that is silent for this long, beyond the requested wait, is considered dead and replaced. */
const PATIENCE_MS = 3000;
/** The pause after an error on a working connection. */
const REFUSED_MS = 2000;

/** Receives messages, and learns when sending is worthwhile. Neither callback may throw. */
export interface StreamListener {
  readonly hear: (payload: string) => void;
  /** Both connections are up, at first and after each outage; messages sent in between may be lost. */
  readonly connected: () => void;
}

/**
 * Messages between instances over Redis Streams. Each instance reads its own inbox and one topic that all instances read, on
 * a blocking connection, and writes on another one. Messages are hints: they may be lost or arrive twice, but those of one
 * writer arrive in order. Without Redis, no messages arrive, and one warning is logged.
 */
export class RedisStreams {
  private readonly log = new Logger(RedisStreams.name);
  private readonly writer: Redis;
  private readonly reader: Redis;
  private isAway = false;
  private isClosed = false;
  private isListening = false;

  constructor(
    url: string,
    private readonly inbox: string,
    private readonly topic: string,
    private readonly listener: StreamListener,
  ) {
    const [writer, reader] = ['parley-write', 'parley-read'].map((connectionName) => {
      const redis = new Redis(url, { ...REDIS_OPTIONS, connectionName });
      redis.on('error', (error) => this.disconnected(error));
      redis.on('close', () => this.disconnected(new Error('the connection is closed')));
      redis.on('ready', () => this.ready());
      return redis;
    });
    [this.writer, this.reader] = [writer as Redis, reader as Redis];
  }

  /** Starts to connect, and to reconnect when necessary. Returns at once. */
  start(): void {
    // Errors are also emitted as events.
    for (const redis of [this.writer, this.reader]) redis.connect().catch(() => undefined);
  }

  get isReady(): boolean {
    return this.writer.status === 'ready';
  }

  /** Whether messages can be sent and are received. */
  get isConnected(): boolean {
    return this.isListening && !this.isAway && this.isReady;
  }

  /** Appends one message to each stream, in one round trip. Throws when Redis did not accept all of them. */
  async send(messages: ReadonlyMap<string, string>): Promise<void> {
    const pipeline = this.writer.pipeline();
    for (const [stream, payload] of messages)
      pipeline.xadd(stream, 'MAXLEN', '~', MAX_LENGTH, '*', 'm', payload).expire(stream, KEEP_SECONDS);
    try {
      const results = await this.inTime(this.writer, pipeline.exec(), PATIENCE_MS);
      for (const [error] of results ?? []) if (error !== null) throw error;
      if (this.isAway && this.isListening) this.reconnected();
    } catch (error) {
      this.disconnected(error);
      throw error;
    }
  }

  close(): void {
    this.isClosed = true;
    for (const redis of [this.writer, this.reader]) redis.disconnect();
  }

  private ready(): void {
    if (this.writer.status !== 'ready' || this.reader.status !== 'ready' || this.isClosed) return;
    // Only the writer was disconnected; the reader was waiting all the time.
    if (this.isListening) return this.reconnected();
    this.isListening = true;
    this.listen()
      .catch(async (error: unknown) => {
        this.disconnected(error);
        // A command that the server refuses on a working connection would be refused again at once.
        if (this.reader.status !== 'ready') return;
        await sleep(REFUSED_MS, undefined, { ref: false });
        if (!this.isClosed) this.reader.disconnect(true);
      })
      .finally(() => (this.isListening = false));
  }

  /** Reads until the connection is lost. */
  private async listen(): Promise<void> {
    // The inbox is read from its beginning, because read messages are deleted; the topic from now on.
    const [seconds, micros] = await this.inTime(this.reader, this.reader.time(), PATIENCE_MS);
    const cursors = new Map([
      [this.inbox, '0'],
      [this.topic, `${seconds}${String(Math.floor(Number(micros) / 1000)).padStart(3, '0')}-0`],
    ]);
    await this.read(cursors, null);
    this.reconnected();
    while (!this.isClosed) await this.read(cursors, BLOCK_MS);
  }

  private async read(cursors: Map<string, string>, blockMs: number | null): Promise<void> {
    const streams = [...cursors.keys(), ...cursors.values()];
    const asked =
      blockMs === null
        ? this.reader.xread('COUNT', READ_COUNT, 'STREAMS', ...streams)
        : this.reader.xread('COUNT', READ_COUNT, 'BLOCK', blockMs, 'STREAMS', ...streams);
    const found = await this.inTime(this.reader, asked, (blockMs ?? 0) + PATIENCE_MS);
    for (const [stream, entries] of found ?? []) {
      const ids = entries.map(([id]) => id);
      const last = ids.at(-1);
      if (last !== undefined) cursors.set(stream, last);
      if (stream === this.inbox) this.reader.xdel(stream, ...ids).catch(() => undefined);
      for (const [, [, payload]] of entries) this.listener.hear(payload as string);
    }
  }

  /** A half-open connection neither answers nor fails, so waiting is limited. */
  private async inTime<T>(redis: Redis, answer: Promise<T>, waitMs: number): Promise<T> {
    const timer = setTimeout(() => redis.disconnect(true), waitMs);
    timer.unref();
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Logs one line per outage, however many attempts fail. */
  private disconnected(error: unknown): void {
    if (this.isAway || this.isClosed) return;
    this.isAway = true;
    const reason = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : 'unknown';
    this.log.warn(`Redis cannot be used; live answers go through the database: ${reason}`);
  }

  private reconnected(): void {
    if (this.isAway) this.log.log('Redis can be used again');
    this.isAway = false;
    this.listener.connected();
  }
}
