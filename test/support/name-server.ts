import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';

interface Host {
  /** The name that this one is an alias of. */
  readonly alias?: string;
  readonly addresses?: readonly string[];
}

const TYPE = { A: 1, CNAME: 5, AAAA: 28 };
/** Flags: response, recursion desired and available; the second value adds that the name does not exist (RFC 1035). */
const FOUND = 0x8180;
const NO_SUCH_NAME = 0x8183;

/** A name server whose records a test defines. It never answers queries for names under `silent.dev`. */
export class NameServer {
  /** The names of the queries so far, in lower case; one entry per record type. */
  readonly asked: string[] = [];
  readonly hosts = new Map<string, Host>();

  private constructor(private readonly socket: Socket) {
    socket.on('message', (question, { port, address }) => {
      const answer = this.answer(question);
      if (answer !== null) socket.send(answer, port, address);
    });
  }

  static async start(): Promise<NameServer> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new NameServer(socket);
  }

  /** For PROVIDER_DNS_SERVERS. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  async stop(): Promise<void> {
    this.socket.close();
    await once(this.socket, 'close');
  }

  private answer(packet: Buffer): Buffer | null {
    const { name, end } = readName(packet, 12);
    this.asked.push(name);
    if (name.endsWith('silent.dev')) return null;
    const question = packet.subarray(12, end + 4);
    const type = packet.readUInt16BE(end);
    const host = this.hosts.get(name);
    const records = host === undefined ? [] : this.recordsOf(name, host, type);
    const header = Buffer.alloc(12);
    packet.copy(header, 0, 0, 2);
    header.writeUInt16BE(host === undefined ? NO_SUCH_NAME : FOUND, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, question, ...records]);
  }

  private recordsOf(name: string, { alias, addresses = [] }: Host, type: number): Buffer[] {
    if (alias !== undefined) {
      const target = this.hosts.get(alias) ?? {};
      return [record(name, TYPE.CNAME, writeName(alias)), ...this.recordsOf(alias, target, type)];
    }
    const ofType = addresses.filter((address) => type === (isIPv6(address) ? TYPE.AAAA : TYPE.A));
    return ofType.map((address) => record(name, type, bytesOf(address)));
  }
}

function readName(packet: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = packet.readUInt8(at); length > 0; length = packet.readUInt8(at)) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function writeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(String.fromCharCode(label.length) + label, 'latin1'));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function record(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(60, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([writeName(name), fixed, data]);
}

/** Supports IPv6 only in its long form, with all eight groups. */
function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  return Buffer.from(
    address
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
    'hex',
  );
}
