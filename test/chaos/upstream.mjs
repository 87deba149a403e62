import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from './rng.mjs';

/** A word that stands in every error body of the upstream, and must stand nowhere else. */
export const CANARY = 'XCANARYX';

const WORDS = ['tide', 'lamp', 'Grüße', '👋🏽', 'über', 'stone', '漢字', 'oak', '🧭', 'river', 'salt', 'naïve', 'copper'];

/** How the model answers, and how often a driver should ask for it. */
export const KINDS = {
  plain: 44,
  slow: 22,
  late: 8,
  drop: 5,
  early: 3,
  refused429: 3,
  refused500: 3,
  refused503: 3,
  failing: 3,
  garbage: 2,
  hang: 2,
  stall: 2,
};

/**
 * The model: OpenAI's wire with every fault that the driver asks for. What it does follows from the seed, the submit and
 * how often that submit was asked before. Each request is journaled with the process that sent it and every word it got.
 */
export class Upstream {
  journal = [];
  /** Called with a journal entry when a request came, when its first word left and when its last one left. */
  onMoment = () => undefined;
  #counts = new Map();

  constructor(seed) {
    this.seed = seed;
    this.server = createServer((request, response) => {
      void this.#serve(request, response).catch(() => response.destroy());
    });
    this.server.keepAliveTimeout = 60_000;
  }

  async start() {
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  async #serve(request, response) {
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json');
      response.end('{"object":"list","data":[]}');
      return;
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const [, submit, kind] = /^chaos-(\d+)-(\w+)$/.exec(body.model);
    const ordinal = this.#counts.get(submit) ?? 0;
    this.#counts.set(submit, ordinal + 1);
    const rng = new Rng(this.seed, 'answer', submit, ordinal);
    const entry = {
      submit: Number(submit),
      ordinal,
      kind,
      process: (request.headers.authorization ?? '').replace('Bearer ', ''),
      question: String(body.messages.at(-1)?.content).slice(0, 40),
      startedAt: Date.now(),
      firstTextAt: null,
      endedAt: null,
      end: null,
      sent: '',
      full: '',
    };
    this.journal.push(entry);
    const end = (how) => {
      entry.end ??= how;
      entry.endedAt ??= Date.now();
    };
    // An answer whose last byte left is whole, whatever becomes of the socket; before that the caller hung up.
    response.once('close', () => end('closed'));
    this.onMoment('request', entry);
    await new Answer(this, entry, rng, body, response, end).give();
  }
}

class Answer {
  constructor(upstream, entry, rng, body, response, end) {
    Object.assign(this, { upstream, entry, rng, body, response, end });
  }

  async give() {
    const { entry, rng } = this;
    // Some faults pass when asked again, others do not.
    const passes = entry.ordinal > 0 && new Rng(this.upstream.seed, 'passes', entry.submit).chance(0.5);
    const kind = passes && !['slow', 'late'].includes(entry.kind) ? 'plain' : entry.kind;
    const words = kind === 'slow' ? rng.int(20, 45) : rng.int(2, 40);
    const pieces = Array.from({ length: words }, (_, i) =>
      i === 0 ? `<${entry.submit}.${entry.ordinal}>` : ` ${rng.pick(WORDS)}`,
    );
    entry.full = pieces.join('');
    if (kind === 'hang') return;
    if (kind === 'early') return this.drop();
    if (kind.startsWith('refused')) return this.refuse(Number(kind.slice(7)));
    if (kind === 'late') await sleep(rng.int(300, 1200));
    const totalMs = kind === 'slow' ? rng.int(1200, 3800) : rng.chance(0.4) ? rng.int(20, 300) : 0;
    const breakAt = ['drop', 'failing', 'garbage', 'stall'].includes(kind) ? rng.int(1, pieces.length - 1) : Infinity;
    const perWrite = totalMs === 0 ? rng.int(1, 10) : 1;
    for (let i = 0; i < pieces.length; i += perWrite) {
      if (this.isGone) return;
      if (i >= breakAt) return this.fail(kind);
      await this.words(pieces.slice(i, Math.min(i + perWrite, breakAt)));
      if (totalMs > 0) await sleep((totalMs / pieces.length) * (0.5 + rng.next()));
    }
    if (breakAt !== Infinity) return this.fail(kind);
    this.finish();
  }

  get isGone() {
    return this.response.destroyed || this.response.closed;
  }

  async words(pieces) {
    const { entry, response, rng } = this;
    const bytes = Buffer.from(
      pieces
        .map((text) => this.frame({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] }))
        .join(''),
    );
    entry.sent += pieces.join('');
    if (entry.firstTextAt === null) {
      entry.firstTextAt = Date.now();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      this.upstream.onMoment('text', entry);
    }
    if (rng.chance(0.1)) {
      // Through the middle of a frame, of a character even.
      const cut = rng.int(1, bytes.length - 1);
      response.write(bytes.subarray(0, cut));
      await sleep(2);
      response.write(bytes.subarray(cut));
    } else response.write(bytes);
  }

  finish() {
    if (this.isGone) return;
    const { entry, response } = this;
    const usage = { prompt_tokens: 7, completion_tokens: entry.full.length, total_tokens: 7 + entry.full.length };
    const done =
      this.frame({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) + this.frame({ choices: [], usage });
    this.end('finished');
    response.end(`${done}data: [DONE]\n\n`);
    this.upstream.onMoment('finish', entry);
  }

  /** In the middle of the answer. */
  fail(kind) {
    const { response } = this;
    if (kind === 'stall') return;
    if (kind === 'drop') return this.drop();
    this.end('failed');
    const error = { error: { message: `${CANARY} in the stream`, type: 'server_error', code: 500 } };
    response.end(kind === 'failing' ? `data: ${JSON.stringify(error)}\n\n` : `data: {"choices":[{"delta ${CANARY}\n\n`);
  }

  drop() {
    this.end('dropped');
    // What was written before arrives, and then the end: so both sides agree on whether there was a first token.
    this.response.socket?.end();
  }

  refuse(status) {
    this.end('refused');
    const { response } = this;
    response.writeHead(status, { 'content-type': 'application/json', 'x-upstream': CANARY });
    response.end(
      JSON.stringify({ error: { message: `${CANARY} says no to ${this.entry.question}`, type: CANARY, code: CANARY } }),
    );
  }

  frame(fields) {
    return `data: ${JSON.stringify({ id: `gen-${this.entry.submit}-${this.entry.ordinal}`, object: 'chat.completion.chunk', model: this.body.model, ...fields })}\n\n`;
  }
}
