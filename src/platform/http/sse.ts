import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ServerConfig } from '../config/server.config.js';
import { Metrics } from '../observability/metrics.js';
import { DueQueue } from './due-queue.js';

const HEARTBEAT = ':\n\n';
/** A heartbeat comes late by at most this share of its period, and as many parts the streams are spread over. */
const LOOKS_A_HEARTBEAT = 20;

/** Ids that survive a header: one line, no control characters. */
export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * Opens streams of server-sent events. A heartbeat comment keeps proxies from closing a quiet connection; one timer sends
 * those of all streams, and what it costs goes by the streams that are due, not by those that are open.
 */
@Injectable()
export class SseStreams implements OnApplicationShutdown {
  private readonly stallMs: number;
  private readonly heartbeats: DueQueue<SseStream>;
  private readonly timer: NodeJS.Timeout;

  constructor({ sseHeartbeatMs, sseStallMs }: ServerConfig, metrics: Metrics) {
    this.stallMs = sseStallMs;
    this.heartbeats = new DueQueue(sseHeartbeatMs);
    this.timer = setInterval(() => this.beat(), sseHeartbeatMs / LOOKS_A_HEARTBEAT);
    this.timer.unref();
    metrics.gauge('parley_sse_streams', 'Streams that are open.', () => this.heartbeats.size);
  }

  /** @param onClose the client has all, or is gone */
  open(reply: FastifyReply, onClose: () => void): SseStream {
    const stream = new SseStream(reply, this.stallMs, () => {
      this.heartbeats.remove(stream);
      onClose();
    });
    if (!stream.isClosed) this.heartbeats.add(stream);
    return stream;
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private beat(): void {
    for (const stream of this.heartbeats.takeDue()) {
      stream.beat();
      this.heartbeats.add(stream);
    }
  }
}

const ignore = (): void => undefined;

/** What was asked is answered by now, and may be large; the stream may be long. Logs and metrics look at no header. */
function forgetRequest({ request }: FastifyReply): void {
  request.body = undefined;
  request.raw.headers = {};
  request.raw.rawHeaders = [];
}

/**
 * One response. The writer learns whether the client keeps up, and writes on by `onDrain` alone. While anything waits for
 * the client, the client has `stallMs` to take some of it; then it is disconnected and what waited for it is gone.
 */
export class SseStream {
  private readonly raw: FastifyReply['raw'];

  constructor(
    reply: FastifyReply,
    private readonly stallMs: number,
    onClose: () => void,
  ) {
    reply.hijack();
    this.raw = reply.raw;
    // The client left before the first byte: `close` has been, and would never come again.
    if (this.isClosed) return;
    forgetRequest(reply);
    const headers = {
      ...reply.getHeaders(),
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    };
    this.raw.writeHead(200, headers as Record<string, string>);
    this.raw.flushHeaders();
    // It comes once; `once` would keep three objects more for that.
    this.raw.on('close', onClose);
    // A client that resets the connection is no error of ours; `close` follows.
    this.raw.on('error', ignore);
  }

  get isClosed(): boolean {
    return this.raw.destroyed;
  }

  /** False when the client is behind: write no more until `onDrain`. */
  write({ id, event, data }: SseEvent): boolean {
    if (this.isClosed) return true;
    const isTaken = this.raw.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (!isTaken) this.watch();
    return isTaken;
  }

  /** Calls `resume` once, when the client has taken what was written. */
  onDrain(resume: () => void): void {
    this.raw.once('drain', () => {
      this.unwatch();
      resume();
    });
  }

  /** Whether a client takes its heartbeat tells whether it is still there; one that is behind is watched as it is. */
  beat(): void {
    if (this.isClosed || this.raw.writableEnded || this.raw.writableNeedDrain) return;
    this.watch();
    this.raw.write(HEARTBEAT, () => this.unwatch());
  }

  end(): void {
    if (this.isClosed) return;
    this.watch();
    this.raw.end();
  }

  /** Node.js destroys the socket when this time passes without a byte that leaves. Once all has left it is set anew. */
  private watch(): void {
    this.raw.setTimeout(this.stallMs);
  }

  private unwatch(): void {
    if (!this.raw.writableEnded && !this.raw.writableNeedDrain) this.raw.setTimeout(0);
  }
}
