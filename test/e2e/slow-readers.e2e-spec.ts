import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MessageBody, TestUser } from '../support/as-user.js';
import { expectSoon } from '../support/expect-soon.js';
import { parseEvents, type ReceivedEvent, readEvents, textOf } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** 16 MB: more than the two ends of a connection on one machine take in by themselves. */
const [FRAMES, FRAME] = [2000, 'A word. '.repeat(1024)];
const ANSWER = FRAME.repeat(FRAMES);
const STALL_MS = 1000;
/** What may wait for one client in our memory: what Node.js takes before it says stop, and one delta on top. */
const PENDING_BYTES = 256 * 1024;

/** A client with its own hands on its socket: it reads when it is told to, and the server's end can be looked at. */
class SlowReader {
  private text = '';

  private constructor(
    private readonly response: IncomingMessage,
    /** The server's end of the connection. */
    readonly socket: Socket,
  ) {}

  static async open({ app, server }: TestApp, user: TestUser, path: string, body?: object): Promise<SlowReader> {
    if (!server.listening) await app.listen(0, '127.0.0.1');
    const accepted: Socket[] = [];
    const accept = (socket: Socket): number => accepted.push(socket);
    server.on('connection', accept);
    const { port } = server.address() as AddressInfo;
    const headers = { authorization: `Bearer ${user.accessToken}`, 'content-type': 'application/json' };
    const method = body === undefined ? 'GET' : 'POST';
    const sent = request({ port, host: '127.0.0.1', path, method, headers, agent: false });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    server.off('connection', accept);
    const socket = accepted.find(({ remotePort }) => remotePort === sent.socket?.localPort) as Socket;
    response.setEncoding('utf8').on('error', () => undefined);
    sent.on('error', () => undefined);
    return new SlowReader(response, socket);
  }

  /** Reads on, with a pause after each 256 KB. */
  async read(pauseMs = 0): Promise<ReceivedEvent[]> {
    let length = 0;
    for await (const piece of this.response as AsyncIterable<string>) {
      this.text += piece;
      length += piece.length;
      if (pauseMs > 0 && length > 256 * 1024) {
        length = 0;
        await sleep(pauseMs);
      }
    }
    return parseEvents(this.text);
  }

  /** Until the server disconnects: the most that waited for this client. */
  async disconnected(): Promise<number> {
    let pending = 0;
    const watch = setInterval(() => (pending = Math.max(pending, this.socket.writableLength)), 5);
    await once(this.socket, 'close');
    clearInterval(watch);
    return pending;
  }

  /** The first event, and no byte more than came with it. */
  async readFirst(): Promise<ReceivedEvent> {
    while (!this.text.includes('\n\n')) {
      this.text += (this.response.read() as string | null) ?? '';
      if (this.text === '') await once(this.response, 'readable');
    }
    return parseEvents(this.text)[0] as ReceivedEvent;
  }

  leave(): void {
    this.response.destroy();
  }
}

describe('a client that reads slowly, or not at all', () => {
  let t: TestApp;
  let ada: TestUser;
  let projectId: string;

  beforeAll(async () => {
    t = await createTestApp({ sseStallMs: STALL_MS, sseHeartbeatMs: 200, llmMaxAnswerChars: 2 * ANSWER.length });
    ada = await TestUser.register(t);
    projectId = (await ada.project()).id;
  });
  afterEach(() => t.model.always(null));
  afterAll(() => t.close());

  /** The next answer says all of it, then waits for `release`. */
  function longAnswer(): { release: () => void } {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    t.model.next(async (_request, answer) => {
      for (let frame = 0; frame < FRAMES; frame++) {
        answer.delta(FRAME);
        if (frame % 100 === 99) await sleep(1);
      }
      await Promise.race([released, answer.closed]);
      answer.finish();
    });
    return { release };
  }

  const ask = (): Promise<SlowReader> =>
    SlowReader.open(t, ada, '/chat', { project_id: projectId, message: 'Go', stream: true });
  const idOf = async (reader: SlowReader): Promise<string> =>
    ((await reader.readFirst()).data.assistant_message as MessageBody).id;
  const settled = (id: string): Promise<ReceivedEvent[]> => readEvents(ada.get(`/chat/messages/${id}/events`));

  it('is disconnected during a turn, which continues and can be resumed', async () => {
    const { release } = longAnswer();
    const reader = await ask();
    const id = await idOf(reader);
    const others = settled(id);
    const pending = await reader.disconnected();
    expect(pending).toBeGreaterThan(0);
    expect(pending).toBeLessThan(PENDING_BYTES);

    const seen = (await reader.read().catch(() => [])) as ReceivedEvent[];
    release();
    // Another reader of the same turn never noticed.
    expect(textOf(await others)).toBe(ANSWER);
    const first = seen.findLast(({ event }) => event === 'message.delta');
    const rest = await readEvents(ada.get(`/chat/messages/${id}/events`).set('last-event-id', first?.id ?? '1.0'));
    expect(textOf(seen) + textOf(rest)).toBe(ANSWER);
    expect(rest.at(-1)).toMatchObject({ event: 'turn.completed' });
  });

  it('gets everything in deltas of bounded size when it reads on in time', async () => {
    longAnswer().release();
    const reader = await ask();
    const id = await idOf(reader);
    await expectSoon(() => expect(reader.socket.writableNeedDrain).toBe(true));
    await sleep(STALL_MS / 2);
    const events = await reader.read();
    expect(textOf(events)).toBe(ANSWER);
    expect(Math.max(...events.map(({ data }) => ((data.text as string | undefined) ?? '').length))).toBe(16 * 1024);
    expect(textOf(await settled(id))).toBe(ANSWER);
  });

  it('is not disconnected while it reads something, however slowly', async () => {
    longAnswer().release();
    const reader = await ask();
    const begin = performance.now();
    expect(textOf(await reader.read(30))).toBe(ANSWER);
    expect(performance.now() - begin).toBeGreaterThan(STALL_MS);
  });

  it('is disconnected when the answer has ended and it still does not read', async () => {
    longAnswer().release();
    const asked = await ask();
    const id = await idOf(asked);
    asked.leave();
    await settled(id);
    const reader = await SlowReader.open(t, ada, `/chat/messages/${id}/events`);
    expect(await reader.disconnected()).toBeLessThan(PENDING_BYTES);
  });

  it('gets heartbeats during a pause, and is not disconnected for it', async () => {
    const { release } = t.model.hold('Hello');
    const reader = await ask();
    await sleep(2 * STALL_MS);
    release();
    const response = await reader.read();
    expect(textOf(response)).toBe('Hello');
    expect(response.at(-1)?.event).toBe('turn.completed');
  });
});
