import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy between a client and PostgreSQL that a test can read, pause and cut. */
export class TcpProxy {
  /** What clients have sent since the last `forget`, as text. */
  sent = '';
  /** The number of connections that clients have opened. */
  accepted = 0;
  private readonly sockets = new Set<Socket>();
  private held: (() => void)[] | null = null;
  private server: Server;

  private constructor(
    private readonly target: URL,
    private port: number,
  ) {}

  /** @param url of the server; `proxy.url` leads to it through the proxy */
  static async start(url: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(url), 0);
    await proxy.restore();
    return proxy;
  }

  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  forget(): void {
    this.sent = '';
  }

  /** Holds all answers back until `release`. */
  hold(): void {
    this.held ??= [];
  }

  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const send of held) send();
  }

  /** Breaks every connection; new ones are accepted. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Breaks every connection and refuses new ones. */
  async cut(): Promise<void> {
    this.drop();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  /** Accepts connections again, on the same port. */
  async restore(): Promise<void> {
    this.server = createServer((client) => this.serve(client));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  private serve(client: Socket): void {
    this.accepted += 1;
    const upstream = connect(Number(this.target.port), this.target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (bytes) => {
      this.sent += bytes.toString('latin1');
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      const send = (): void => void client.write(bytes);
      if (this.held === null) send();
      else this.held.push(send);
    });
  }
}
