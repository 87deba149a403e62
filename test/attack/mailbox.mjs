import { SMTPServer } from 'smtp-server';
import { eventually } from './client.mjs';

/** A mail server that keeps what it gets: envelope and text, as a reader sees them. */
export class Mailbox {
  mails = [];

  constructor() {
    this.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData: (stream, session, done) => {
        const parts = [];
        stream.on('data', (part) => parts.push(part));
        stream.on('end', () => {
          const to = session.envelope.rcptTo.map(({ address }) => address);
          const source = Buffer.concat(parts).toString();
          // Quoted-printable: lines that are broken and characters that are escaped.
          const text = source
            .replace(/=\r\n/g, '')
            .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
          this.mails.push({ to, source, text });
          done();
        });
      },
    });
    this.server.on('error', () => undefined);
  }

  async start() {
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `smtp://127.0.0.1:${this.server.server.address().port}`;
  }

  stop() {
    return new Promise((done) => this.server.close(done));
  }

  /** The token of the newest mail to somebody that has one of this kind, waiting for it; null when none comes. */
  async token(address, page, after = 0) {
    const link = new RegExp(`/${page}#token=([\\w-]+)`);
    const found = () => this.mails.slice(after).findLast(({ to, text }) => to.includes(address) && link.test(text));
    const mail = await eventually(found);
    return mail === null ? null : link.exec(mail.text)[1];
  }
}
