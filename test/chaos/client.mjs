import { Agent, request as httpRequest } from 'node:http';
import { createParser } from 'eventsource-parser';
import { setTimeout as sleep } from 'node:timers/promises';
import { CANARY } from './upstream.mjs';

/** Heartbeats come twice a second: a stream that is silent for so long hangs. */
const SILENCE_LIMIT_MS = 12_000;
const CALL_LIMIT_MS = 35_000;
/** Longer than any turn and all that waits before it. */
const STREAM_LIMIT_MS = 45_000;

/** Speaks to instances as a client does, and writes down what should never come. */
export class Client {
  leaks = [];
  hangs = [];
  unexpected = [];
  #agent = new Agent({ keepAlive: false });

  /** Resolves with what came; `error` when no whole answer came. */
  async call(slot, user, method, path, { body, key } = {}) {
    const from = { process: slot.process, at: Date.now() };
    const { response, error, request } = await this.#open(slot, user, method, path, { body, key });
    if (error !== undefined) return { ...from, endedAt: Date.now(), error };
    try {
      let text = '';
      response.setEncoding('utf8');
      for await (const chunk of response) text += chunk;
      return {
        ...from,
        endedAt: Date.now(),
        status: response.statusCode,
        ...this.#read(response, text, `${method} ${path}`),
      };
    } catch (broken) {
      return { ...from, endedAt: Date.now(), error: broken.code ?? String(broken) };
    } finally {
      request.destroy();
    }
  }

  /**
   * Reads a stream until it ends, breaks, or `onEvent` answers false, which leaves it: at once, or after `stallMs` of not
   * reading, as a client does that has lost its network. `paceMs` makes a slow reader.
   * `how`: `end`, `cut`, `left`, `silent`; or a status that is no stream.
   */
  async stream(slot, user, method, path, { body, key, lastEventId, onEvent, paceMs = 0, stallMs = 0 }) {
    const from = { process: slot.process, at: Date.now(), lastEventId: lastEventId ?? null };
    const { response, error, request } = await this.#open(slot, user, method, path, {
      body,
      key,
      lastEventId,
      accept: true,
    });
    if (error !== undefined) return { ...from, endedAt: Date.now(), how: 'cut', error };
    const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
    const done = (how, more = {}) => ({ ...from, endedAt: Date.now(), how, status: response.statusCode, ...more });
    const limit = setTimeout(() => {
      this.hangs.push({ process: slot.process, path, method, at: Date.now(), is: 'a stream without end' });
      request.destroy(new Error('silent'));
    }, STREAM_LIMIT_MS);
    try {
      response.setEncoding('utf8');
      if (!isStream) {
        let text = '';
        for await (const chunk of response) text += chunk;
        return done('status', this.#read(response, text, `${method} ${path}`));
      }
      this.#look(JSON.stringify(response.headers), `headers of ${path}`);
      let hasLeft = false;
      const parser = createParser({
        onEvent: ({ id, event, data }) => {
          if (hasLeft) return;
          this.#look(data, `event of ${path}`);
          hasLeft = onEvent({ id, event, data: JSON.parse(data), at: Date.now() }) === false;
        },
      });
      for await (const chunk of response) {
        parser.feed(chunk);
        if (hasLeft) {
          await sleep(stallMs);
          return done('left');
        }
        if (paceMs > 0) await sleep(paceMs);
      }
      return done('end');
    } catch (broken) {
      return done(broken.message === 'silent' ? 'silent' : 'cut', { error: broken.code ?? String(broken) });
    } finally {
      clearTimeout(limit);
      request.destroy();
    }
  }

  #open(slot, user, method, path, { body, key, lastEventId, accept }) {
    return new Promise((done) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const request = httpRequest(new URL(path, slot.url), {
        method,
        agent: this.#agent,
        headers: {
          ...(user === null ? {} : { authorization: `Bearer ${user.token}` }),
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
          ...(accept === true ? { accept: 'text/event-stream' } : {}),
        },
      });
      request.setTimeout(accept === true ? SILENCE_LIMIT_MS : CALL_LIMIT_MS, () => {
        this.hangs.push({ process: slot.process, path, method, at: Date.now() });
        request.destroy(new Error('silent'));
      });
      request.once('response', (response) => {
        response.on('error', () => undefined);
        done({ response, request });
      });
      request.on('error', (error) => done({ error: error.code ?? error.message, request }));
      request.end(payload);
    });
  }

  #read({ headers, statusCode }, text, what) {
    this.#look(text, what);
    this.#look(JSON.stringify(headers), `headers of ${what}`);
    let body = null;
    try {
      body = text === '' ? null : JSON.parse(text);
    } catch {
      this.unexpected.push({ what, status: statusCode, text: text.slice(0, 200) });
    }
    const code = statusCode >= 400 ? (body?.code ?? 'none') : null;
    if (statusCode === 500 || code === 'none') this.unexpected.push({ what, status: statusCode, code, at: Date.now() });
    return { body, code };
  }

  #look(text, where) {
    if (text.includes(CANARY))
      this.leaks.push({ where, text: text.slice(Math.max(0, text.indexOf(CANARY) - 60)).slice(0, 160) });
  }
}
