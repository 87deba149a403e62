import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The body of POST /chat/completions. */
export interface ModelRequest {
  readonly model: string;
  readonly messages: { role: string; content: string | { type: string }[] }[];
  readonly stream?: boolean;
  readonly [option: string]: unknown;
}

/** How a script answers, step by step; each step is on the wire when it returns. */
export interface ModelAnswer {
  delta(text: string): void;
  /** Sends reasoning, which is not part of the answer's text. */
  think(text: string): void;
  /** Reports that another model than the requested one answers; call it before any delta. */
  answersAs(model: string): void;
  /** Ends the answer. By default, the usage counts characters. */
  finish(reason?: string, options?: { usage?: boolean | object }): void;
  /** Responds with an error status instead; call it before any delta. */
  refuse(status: number, body?: unknown, headers?: Record<string, string>): void;
  /** Cuts the connection. */
  drop(): void;
  /** Resolves when the client has closed the connection. */
  readonly closed: Promise<void>;
}

export type Script = (request: ModelRequest, answer: ModelAnswer) => void | Promise<void>;

const echo: Script = ({ messages }, answer) => {
  const last = messages.at(-1)?.content;
  for (const word of ['You', ' said', ': ', typeof last === 'string' ? last : 'parts']) answer.delta(word);
  answer.finish();
};

/**
 * A model that a test scripts: an HTTP server with OpenAI's protocol, so that all of our code is real up to the
 * socket. Unscripted requests are echoed.
 */
export class ScriptedModel {
  readonly requests: ModelRequest[] = [];
  /** The Authorization header of each request. */
  readonly keys: (string | undefined)[] = [];
  /** The Authorization header of each request for the list of models. */
  readonly listed: (string | undefined)[] = [];
  /** The records of GET /generation, as in OpenRouter, by the id of the generation. */
  readonly generations = new Map<string, object>();
  /** Further models of the list, with their context windows. */
  readonly windows: Record<string, number> = {};
  private readonly scripts: Script[] = [];
  private fallback: Script = echo;
  private listStatus = 200;
  private server: Server;

  static async start(): Promise<ScriptedModel> {
    const model = new ScriptedModel();
    model.server = createServer((request, response) => void model.serve(request, response));
    model.server.listen(0, '127.0.0.1');
    await once(model.server, 'listening');
    return model;
  }

  /** For OPENAI_BASE_URL. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** Scripts the next request that has no script yet. */
  next(script: Script): void {
    this.scripts.push(script);
  }

  /** Sets the status of all further requests for the list of models. */
  listsAre(status: number): void {
    this.listStatus = status;
  }

  /** Scripts all further requests that have no script of their own. */
  always(script: Script | null): void {
    this.fallback = script ?? echo;
  }

  /** The next request says `before`, then waits until `release` is called, then says `after` and finishes. */
  hold(before = '', after = ''): { reached: Promise<void>; release: () => void } {
    let reach = (): void => undefined;
    let release = (): void => undefined;
    const reached = new Promise<void>((resolve) => (reach = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    this.next(async (_request, answer) => {
      if (before !== '') answer.delta(before);
      reach();
      await Promise.race([released, answer.closed]);
      if (after !== '') answer.delta(after);
      answer.finish();
    });
    return { reached, release };
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/v1/models') {
      this.listed.push(request.headers.authorization);
      response.writeHead(this.listStatus, { 'content-type': 'application/json' });
      const others = Object.entries(this.windows).map(([id, context_length]) => ({ id, context_length }));
      return void response.end(JSON.stringify({ data: [{ id: 'scripted', object: 'model' }, ...others] }));
    }
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://model');
    if (pathname === '/v1/generation') {
      const data = this.generations.get(searchParams.get('id') ?? '');
      response.writeHead(data === undefined ? 404 : 200, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify(data === undefined ? { error: { code: 404 } } : { data }));
    }
    if (request.method !== 'POST') return void response.writeHead(404).end();
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const asked = JSON.parse(Buffer.concat(body).toString()) as ModelRequest;
    this.requests.push(asked);
    this.keys.push(request.headers.authorization);
    await (this.scripts.shift() ?? this.fallback)(asked, new WireAnswer(asked, response));
  }
}

class WireAnswer implements ModelAnswer {
  readonly closed: Promise<void>;
  private text = '';
  private model: string;

  constructor(
    private readonly request: ModelRequest,
    private readonly response: ServerResponse,
  ) {
    this.closed = new Promise((resolve) => response.once('close', () => resolve()));
    this.model = request.model;
  }

  answersAs(model: string): void {
    this.model = model;
  }

  delta(text: string): void {
    this.text += text;
    if (this.request.stream === true)
      this.frame({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] });
  }

  think(text: string): void {
    this.frame({ choices: [{ index: 0, delta: { reasoning_content: text }, finish_reason: null }] });
  }

  finish(reason = 'stop', { usage = true }: { usage?: boolean | object } = {}): void {
    const counts = { prompt_tokens: JSON.stringify(this.request.messages).length, completion_tokens: this.text.length };
    const given = typeof usage === 'object' ? usage : { ...counts, total_tokens: 0 };
    const usageField = usage === false ? {} : { usage: given };
    if (this.request.stream === true) {
      this.frame({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
      if (usage !== false) this.frame({ choices: [], ...usageField });
      this.response.end('data: [DONE]\n\n');
      return;
    }
    const message = { role: 'assistant', content: this.text };
    this.response.setHeader('content-type', 'application/json');
    this.response.end(
      JSON.stringify({
        id: 'gen-1',
        model: this.model,
        choices: [{ index: 0, message, finish_reason: reason }],
        ...usageField,
      }),
    );
  }

  refuse(
    status: number,
    body: unknown = { error: { message: 'scripted refusal', code: null } },
    headers: Record<string, string> = {},
  ): void {
    this.response.writeHead(status, { 'content-type': 'application/json', ...headers });
    this.response.end(JSON.stringify(body));
  }

  drop(): void {
    this.response.destroy();
  }

  private frame(fields: object): void {
    if (!this.response.headersSent) {
      this.response.writeHead(200, { 'content-type': 'text/event-stream' });
    }
    const frame = { id: 'gen-1', object: 'chat.completion.chunk', model: this.model, ...fields };
    this.response.write(`data: ${JSON.stringify(frame)}\n\n`);
  }
}
