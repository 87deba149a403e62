import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { expectSoon } from './expect-soon.js';

export interface ReceivedMail {
  readonly to: string;
  readonly from: string;
  readonly subject: string;
  /** The text, as a reader sees it. */
  readonly text: string;
}

/** A real SMTP server that stores its mails, and refuses or delays them on request. */
export class Mailbox {
  readonly mails: ReceivedMail[] = [];
  /** Codes with which the next mails are refused, oldest first; 4xx is temporary, 5xx is permanent. */
  readonly refusals: number[] = [];
  /** The number of mails that were offered, including refused ones. */
  offered = 0;
  private held: Promise<void> | null = null;
  private readonly server: SMTPServer;

  private constructor() {
    this.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const to = session.envelope.rcptTo.map(({ address }) => address).join(', ');
          void this.take(to, Buffer.concat(chunks).toString()).then(() => done(), done);
        });
      },
    });
    this.server.on('error', () => undefined);
  }

  static async open(): Promise<Mailbox> {
    const box = new Mailbox();
    await new Promise<void>((resolve) => box.server.listen(0, '127.0.0.1', resolve));
    return box;
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.server.server.address() as AddressInfo).port}`;
  }

  /** Delays all mails until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined;
    this.held = new Promise((resolve) => (release = resolve));
    return release;
  }

  /** Waits for the next mail to an address. */
  async next(to: string): Promise<ReceivedMail> {
    let found = -1;
    await expectSoon(() => {
      found = this.mails.findIndex((mail) => mail.to === to);
      expect({ to, has: found >= 0 }).toEqual({ to, has: true });
    });
    return this.mails.splice(found, 1)[0] as ReceivedMail;
  }

  /** The token in the link of the next mail to an address. */
  async token(to: string): Promise<string> {
    const { text } = await this.next(to);
    return /#token=([\w-]+)/.exec(text)?.[1] ?? '';
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async take(to: string, raw: string): Promise<void> {
    this.offered += 1;
    await this.held;
    const code = this.refusals.shift();
    if (code !== undefined) throw Object.assign(new Error(`No mail for ${to}`), { responseCode: code });
    const [head = '', ...body] = raw.split('\r\n\r\n');
    const header = (name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
    const isQuoted = header('content-transfer-encoding') === 'quoted-printable';
    const text = body.join('\r\n\r\n');
    this.mails.push({
      to,
      from: header('from'),
      subject: header('subject'),
      text: isQuoted ? unquoted(text) : text,
    });
  }
}

function unquoted(text: string): string {
  return text
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
