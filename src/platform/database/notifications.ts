import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Client } from 'pg';
import { DatabaseConfig } from './database.config.js';
import { ProductDatabase } from './product-database.js';

const RECONNECT_MS = 500;

interface Listener {
  readonly hear: (payload: string) => void;
  readonly connected: () => void;
}

/**
 * Messages between instances through PostgreSQL's LISTEN, on a connection of its own. A message is only a hint and may be
 * lost while the connection is down, so a listener must also check by itself from time to time, or after a reconnect.
 */
@Injectable()
export class Notifications implements OnApplicationShutdown {
  private readonly log = new Logger(Notifications.name);
  private readonly listeners = new Map<string, Listener>();
  private client: Client | null = null;
  private isClosed = false;
  /** Whether messages arrive. While they do not, listeners must check by themselves. */
  isListening = false;

  constructor(
    private readonly config: DatabaseConfig,
    private readonly product: ProductDatabase,
  ) {}

  /**
   * Calls `hear` for each message on the channel from now on. A channel has one listener.
   * @param connected called when messages arrive again after an interruption: earlier ones may be lost
   */
  async listen(
    channel: string,
    hear: (payload: string) => void,
    connected: () => void = () => undefined,
  ): Promise<void> {
    this.listeners.set(channel, { hear, connected });
    if (this.client === null) await this.connect();
    else await this.subscribe(this.client, [channel]);
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    await this.client?.end().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    if (this.isClosed || this.client !== null) return;
    const client = new Client({
      connectionString: this.config.databaseUrl,
      application_name: 'parley-listen',
      options: `-c role=${this.product.appRole}`,
      keepAlive: true,
      connectionTimeoutMillis: this.config.databaseConnectTimeoutMs,
    });
    this.client = client;
    client.on('error', (error) => this.log.warn(`The listening connection failed: ${error.message}`));
    client.on('end', () => this.reconnect(client));
    client.on('notification', ({ channel, payload }) => this.listeners.get(channel)?.hear(payload ?? ''));
    const isSubscribed = await this.subscribe(client, this.listeners.keys(), client.connect());
    this.isListening = isSubscribed && this.client === client;
    if (this.isListening) for (const { connected } of this.listeners.values()) connected();
  }

  /** A server that refuses LISTEN, such as a standby, would keep the connection open, so it is closed here. */
  private async subscribe(client: Client, channels: Iterable<string>, connecting?: Promise<void>): Promise<boolean> {
    try {
      await connecting;
      for (const channel of channels) await client.query(`listen ${channel}`);
      return true;
    } catch {
      void client.end().catch(() => undefined);
      this.reconnect(client);
      return false;
    }
  }

  private reconnect(lost: Client): void {
    if (this.isClosed || this.client !== lost) return;
    this.client = null;
    this.isListening = false;
    setTimeout(() => void this.connect(), RECONNECT_MS).unref();
  }
}
