import { createServer } from 'node:http';

/**
 * The model: OpenAI's wire, an answer at once. It says `answer` when that is set, else it repeats the last message. Every
 * request is kept, with the key that came with it.
 */
export class Model {
  requests = [];
  /** Pieces of the next answers, or null. */
  pieces = null;

  constructor() {
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
    const parts = [];
    for await (const part of request) parts.push(part);
    const { authorization } = request.headers;
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json');
      response.end('{"object":"list","data":[{"id":"mock-1","object":"model"}]}');
      return;
    }
    const body = JSON.parse(Buffer.concat(parts).toString());
    this.requests.push({ authorization, headers: request.headers, body });
    const last = body.messages.at(-1).content;
    const pieces = this.pieces ?? [typeof last === 'string' ? last : 'parts'];
    const head = { id: 'gen-1', object: 'chat.completion.chunk', created: 1, model: 'mock-1' };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    if (body.stream !== true) {
      const message = { role: 'assistant', content: pieces.join('') };
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          ...head,
          object: 'chat.completion',
          choices: [{ index: 0, message, finish_reason: 'stop' }],
          usage,
        }),
      );
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (fields) => response.write(`data: ${JSON.stringify({ ...head, ...fields })}\n\n`);
    for (const content of pieces) send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage });
    response.end('data: [DONE]\n\n');
  }
}
