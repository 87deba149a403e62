import { Buffer } from 'node:buffer';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const CALL_LIMIT_MS = 30_000;

/** Sends requests as an attacker does, and keeps every answer, so that secrets can be looked for in all of them. */
export class Client {
  answers = [];
  #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  close() {
    this.#agent.destroy();
  }

  /**
   * `body` is sent as JSON, `raw` as it is, `form` as an HTML form. Resolves with status 0 when no answer came.
   * @returns {Promise<{ status: number, headers: object, text: string, body: unknown, ms: number }>}
   */
  async call(server, method, path, { token, headers = {}, body, raw, form, timeoutMs = CALL_LIMIT_MS } = {}) {
    const payload =
      form === undefined
        ? (raw ?? (body === undefined ? undefined : JSON.stringify(body)))
        : new URLSearchParams(form).toString();
    const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
    const from = performance.now();
    const answer = await this.#send(server, method, path, payload, timeoutMs, {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(payload === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(payload) }),
      ...headers,
    });
    const ms = performance.now() - from;
    const seen = { ...answer, body: parsed(answer.text), ms };
    this.answers.push({
      what: `${method} ${path.slice(0, 200)}`,
      status: seen.status,
      text: seen.text,
      headers: seen.headers,
    });
    return seen;
  }

  /** Writes bytes to a socket of its own and answers with all that came back until `forMs` passed or it was closed. */
  async raw(server, bytes, forMs = 1000) {
    const socket = connect(server.port, '127.0.0.1');
    let text = '';
    let isClosed = false;
    socket.setEncoding('latin1').on('data', (part) => (text += part));
    socket.on('error', () => undefined);
    const closed = new Promise((done) => socket.once('close', () => done((isClosed = true))));
    socket.write(bytes, 'latin1');
    await Promise.race([closed, sleep(forMs, undefined, { ref: false })]);
    socket.destroy();
    this.answers.push({ what: 'a raw request', status: 0, text, headers: {} });
    return { text, isClosed };
  }

  #send(server, method, path, payload, timeoutMs, headers) {
    const { port } = server;
    return new Promise((done) => {
      const nothing = (error) => done({ status: 0, headers: {}, text: '', error: error.code ?? error.message });
      const options = { host: '127.0.0.1', port, method, path, headers, agent: this.#agent };
      const request = httpRequest(options, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', nothing);
        response.on('end', () =>
          done({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }),
        );
      });
      request.setTimeout(timeoutMs, () => request.destroy(new Error('no answer in time')));
      request.on('error', nothing);
      request.end(payload);
    });
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** All that a client can tell two answers apart by, apart from what differs from one request to the next. */
export function visible({ status, headers, text }) {
  const { date: _date, 'x-request-id': _id, ratelimit: _left, 'retry-after': _when, ...rest } = headers;
  const bare = text.replace(/"(request_id|instance)":"[^"]*"/g, '"$1":"…"');
  delete rest['content-length'];
  return JSON.stringify({ status, headers: rest, bare });
}

/** Runs `work` for every item, so many at a time. */
export async function each(items, atOnce, work) {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
}

/** Waits until `isSo` answers something, for a limited time; null when it never does. */
export async function eventually(isSo, limitMs = 5000) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await isSo();
    if (answer) return answer;
    if (Date.now() > deadline) return null;
    await sleep(25);
  }
}
