import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** One step of an answer: bytes as they are, a pause, or an end of the connection. */
export type Step =
  | string
  | Uint8Array
  | { readonly pauseMs: number }
  /** `fin` ends cleanly, `reset` sends RST, `hang` leaves the socket open and silent. */
  | 'fin'
  | 'reset'
  | 'hang';

export type Script = readonly Step[];

export interface RawRequest {
  /** Request line and headers, as they came. */
  readonly head: string;
  readonly body: string;
}

/**
 * An HTTP upstream on a plain socket. It reads whole requests and answers each with the next script, byte by byte
 * as written, so that a test can send what no HTTP server would. The last script answers all further requests.
 */
export class RawUpstream {
  readonly requests: RawRequest[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly usedSockets = new Set<Socket>();
  private scripts: Script[] = [['hang']];
  private connections = 0;

  private constructor(
    private readonly server: Server,
    private readonly scheme: 'http' | 'https',
  ) {
    server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => this.serve(socket));
  }

  static async start(tls?: TlsOptions): Promise<RawUpstream> {
    const server = tls === undefined ? createTcpServer() : createTlsServer(tls);
    const upstream = new RawUpstream(server, tls === undefined ? 'http' : 'https');
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Base address of the API, with the version. */
  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.port}/v1`;
  }

  /** Open sockets that have carried a request. (After an abort, undici opens a spare socket, which carries none.) */
  get openSockets(): number {
    return this.usedSockets.size;
  }

  /** Connections since the start or the last `answerWith`. */
  get connectionCount(): number {
    return this.connections;
  }

  answerWith(...scripts: Script[]): void {
    this.scripts = scripts;
    this.requests.length = 0;
    this.connections = 0;
  }

  /** Resolves when every socket that carried a request is closed; rejects after `limitMs`. */
  async untilIdle(limitMs = 1000): Promise<void> {
    const deadline = Date.now() + limitMs;
    while (this.usedSockets.size > 0) {
      if (Date.now() > deadline) throw new Error(`${this.usedSockets.size} sockets are still open`);
      await sleep(5);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private serve(socket: Socket): void {
    this.connections += 1;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.usedSockets.delete(socket);
    });
    socket.on('error', () => socket.destroy());
    let received = Buffer.alloc(0);
    let answering = Promise.resolve();
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const request = readRequest(received);
        if (request === null) return;
        received = received.subarray(request.length);
        this.requests.push(request);
        this.usedSockets.add(socket);
        const script = (this.scripts.length > 1 ? this.scripts.shift() : this.scripts[0]) ?? ['hang'];
        answering = answering.then(() => play(socket, script));
      }
    });
  }
}

function readRequest(received: Buffer): (RawRequest & { readonly length: number }) | null {
  const end = received.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const head = received.toString('latin1', 0, end);
  const length = end + 4 + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return received.length < length ? null : { head, body: received.toString('utf8', end + 4, length), length };
}

async function play(socket: Socket, script: Script): Promise<void> {
  for (const step of script) {
    if (socket.destroyed) return;
    if (step === 'fin') socket.end();
    else if (step === 'reset') socket.resetAndDestroy();
    else if (step === 'hang') return;
    else if (typeof step === 'string' || step instanceof Uint8Array) await write(socket, step);
    else await sleep(step.pauseMs);
  }
}

/** Waits until the bytes are sent, so that two steps are two writes. */
function write(socket: Socket, bytes: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    socket.write(bytes, () => setImmediate(resolve));
  });
}

/** The head of a response; `headers` have no line breaks. */
export function head(status: number, ...headers: string[]): string {
  return [`HTTP/1.1 ${status} Status`, ...headers, '', ''].join('\r\n');
}

/** A whole response with its length. */
export function response(status: number, type: string, body: string | Uint8Array, ...headers: string[]): Script {
  const bytes = Buffer.from(body as string);
  return [head(status, `content-type: ${type}`, `content-length: ${bytes.length}`, ...headers), bytes];
}

export function json(status: number, body: unknown, ...headers: string[]): Script {
  return response(status, 'application/json', JSON.stringify(body), ...headers);
}

export const SSE_HEAD = head(200, 'content-type: text/event-stream; charset=utf-8', 'transfer-encoding: chunked');
export const LAST_CHUNK = '0\r\n\r\n';

/** `bytes` as one chunk of the chunked transfer coding. */
export function chunk(bytes: string | Uint8Array): Buffer {
  const body = Buffer.from(bytes as string);
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]);
}

/** A clean event stream: each piece is one write and one chunk. */
export function sse(...pieces: (string | Uint8Array)[]): Script {
  return [SSE_HEAD, ...pieces.map(chunk), LAST_CHUNK];
}

/** One `data:` frame. */
export function frame(value: unknown): string {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
}

/** A frame of the chat completions wire with this delta. */
export function delta(fields: Readonly<Record<string, unknown>>, finishReason: string | null = null): string {
  return frame({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'test-model',
    choices: [{ index: 0, delta: fields, finish_reason: finishReason }],
  });
}

export const DONE = 'data: [DONE]\n\n';
