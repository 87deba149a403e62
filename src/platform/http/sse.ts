import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ServerConfig } from '../config/server.config.js';
import { Metrics } from '../observability/metrics.js';
import { DueQueue } from './due-queue.js';

const HEARTBEAT = ':\n\n';
/** The streams are spread over this many parts of the heartbeat period; a heartbeat is late by at most one part. */
const LOOKS_A_HEARTBEAT = 20;

/** `id` must be safe in a header: one line, no control characters. */
export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * Opens streams of server-sent events. A heartbeat comment keeps proxies from closing a quiet connection. One timer serves
 * all streams, and its cost depends on the streams that are due, not on those that are open.
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

  /** @param onClose called when the client has received everything or has disconnected */
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

/** Frees the request, which may be large, while the stream may last long. Logs and metrics read none of its headers. */
function forgetRequest({ request }: FastifyReply): void {
  request.body = undefined;
  request.raw.headers = {};
  request.raw.rawHeaders = [];
}

/**
 * One response. `write` returns whether the client keeps up; if not, the writer continues in `onDrain`. While data waits for
 * the client, the client must read some of it within `stallMs`; otherwise it is disconnected and the data is discarded.
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
    // The client has left before the first byte: `close` was emitted already and does not come again.
    if (this.isClosed) return;
    forgetRequest(reply);
    const headers = {
      ...reply.getHeaders(),
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    };
    this.raw.writeHead(200, headers as Record<string, string>);
    this.raw.flushHeaders();
    // `close` is emitted once; `once` would keep three more objects for that.
    this.raw.on('close', onClose);
    // A client that resets the connection is not an error of ours; `close` follows.
    this.raw.on('error', ignore);
  }

  get isClosed(): boolean {
    return this.raw.destroyed;
  }

  /** False when the client is behind: do not write again before `onDrain`. */
  write({ id, event, data }: SseEvent): boolean {
    if (this.isClosed) return true;
    const isTaken = this.raw.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (!isTaken) this.watch();
    return isTaken;
  }

  /** Calls `resume` once, when the client has received what was written. */
  onDrain(resume: () => void): void {
    this.raw.once('drain', () => {
      this.unwatch();
      resume();
    });
  }

  /** Sends a heartbeat and expects the client to receive it in time. A client that is behind is being watched already. */
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

  /** Node.js destroys the socket when no byte leaves for this time. The timeout is reset once everything has left. */
  private watch(): void {
    this.raw.setTimeout(this.stallMs);
  }

  private unwatch(): void {
    if (!this.raw.writableEnded && !this.raw.writableNeedDrain) this.raw.setTimeout(0);
  }
}
