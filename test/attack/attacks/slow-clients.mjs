import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 2000;
/** The look for slow clients comes once a second, and a busy machine is late. */
const SLACK_MS = 4000;
const DRIP_MS = 200;
const AT_ONCE = 40;

const DRIPS = {
  'the first line': ['', 'G'],
  headers: ['GET /health/live HTTP/1.1\r\nhost: x\r\n', 'x-slow: 1\r\n'],
  'one header': ['GET /health/live HTTP/1.1\r\nhost: x\r\nx-slow: ', 'a'],
  'a body': [
    'POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n',
    ' ',
  ],
  chunks: [
    'POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    '1\r\n \r\n',
  ],
  nothing: ['POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n', ''],
};

/** Clients that send a byte now and then are cut off in time, and others are served meanwhile. */
export async function dripSlowly({ target, report }) {
  const server = await target.server('impatient', { REQUEST_TIMEOUT_MS: String(LIMIT_MS) });
  for (const [what, [start, drip]] of Object.entries(DRIPS)) {
    const slow = Array.from({ length: AT_ONCE }, () => dial(server, start));
    const dripping = setInterval(
      () => slow.forEach(({ socket }) => socket.writable && drip !== '' && socket.write(drip)),
      DRIP_MS,
    );
    const live = await target.client.call(server, 'GET', '/health/live');
    report.judge(`others while ${what} drips`, live.status === 200 && live.ms < LIMIT_MS, {
      status: live.status,
      text: live.ms,
    });
    await Promise.race([
      Promise.all(slow.map(({ closed }) => closed)),
      sleep(LIMIT_MS + SLACK_MS, undefined, { ref: false }),
    ]);
    clearInterval(dripping);
    for (const { socket, state } of slow) {
      report.judge(
        `${what} in drips`,
        state.isClosed && !/^HTTP\/1\.1 2/.test(state.text),
        state.text.slice(0, 60) || 'still open',
      );
      socket.destroy();
    }
  }
  await target.retire('impatient');
}

function dial(server, start) {
  const state = { text: '', isClosed: false };
  const socket = connect(server.port, '127.0.0.1');
  socket.setEncoding('latin1').on('data', (part) => (state.text += part));
  socket.on('error', () => undefined);
  socket.write(start);
  const closed = new Promise((done) => socket.once('close', () => done((state.isClosed = true))));
  return { socket, state, closed };
}
