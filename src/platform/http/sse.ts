import type { FastifyReply } from 'fastify';

/** Ids that survive a header: one line, no control characters. */
export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * A stream of server-sent events over one response. The writer learns whether the client keeps up, and a heartbeat
 * comment keeps proxies from closing a quiet connection.
 */
export class SseStream {
  private readonly heartbeat: NodeJS.Timeout | undefined;
  private readonly raw: FastifyReply['raw'];
  private isClosed = false;

  constructor(reply: FastifyReply, heartbeatMs: number, onClose: () => void) {
    reply.hijack();
    this.raw = reply.raw;
    if (this.raw.destroyed) {
      // The client left before the first byte: `close` has been, and would never come again.
      this.isClosed = true;
      return;
    }
    const headers = {
      ...reply.getHeaders(),
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    };
    this.raw.writeHead(200, headers as Record<string, string>);
    this.raw.flushHeaders();
    this.heartbeat = setInterval(() => this.raw.write(':\n\n'), heartbeatMs);
    this.raw.once('close', () => {
      this.isClosed = true;
      clearInterval(this.heartbeat);
      onClose();
    });
    // A client that resets the connection is no error of ours; `close` follows.
    this.raw.on('error', () => undefined);
  }

  /** False when the client is behind: write no more until `onDrain`. */
  write({ id, event, data }: SseEvent): boolean {
    if (this.isClosed) return true;
    return this.raw.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  onDrain(resume: () => void): void {
    this.raw.once('drain', resume);
  }

  end(): void {
    if (this.isClosed) return;
    clearInterval(this.heartbeat);
    this.raw.end();
  }
}
