/**
 * A language model that costs next to nothing: OpenAI's chat completions on node:http, JSON and server-sent events.
 * Every answer has the same `--tokens` words. Without `--delay-ms` and `--tokens-per-second` it is sent at once, in
 * one write from a prepared buffer, so that the benchmark measures the server in front of it.
 * `GET /stats` returns the number of calls and of their messages, which reveals a server that omits the history.
 */
import { createServer } from 'node:http';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    tokens: { type: 'string', default: '20' },
    'delay-ms': { type: 'string', default: '0' },
    'tokens-per-second': { type: 'string', default: '0' },
  },
});
const tokens = Number(values.tokens);
const delayMs = Number(values['delay-ms']);
const tokensPerSecond = Number(values['tokens-per-second']);

const id = 'chatcmpl-bench';
const created = 1_700_000_000;
const model = 'mock-1';
const pieces = Array.from({ length: tokens }, (_, i) => (i === 0 ? 'word' : ' word'));
const usage = { prompt_tokens: 400, completion_tokens: tokens, total_tokens: 400 + tokens };

const completion = Buffer.from(
  JSON.stringify({
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: pieces.join('') }, finish_reason: 'stop' }],
    usage,
  }),
);

const chunk = (choices, rest = {}) =>
  `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created, model, choices, ...rest })}\n\n`;
const delta = (content) => chunk([{ index: 0, delta: { content }, finish_reason: null }]);
const opening = chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]);
const closing = `${chunk([{ index: 0, delta: {}, finish_reason: 'stop' }])}${chunk([], { usage })}data: [DONE]\n\n`;
const wholeStream = Buffer.from(opening + pieces.map(delta).join('') + closing);

const JSON_HEADERS = { 'content-type': 'application/json', 'content-length': completion.length };
const SSE_HEADERS = { 'content-type': 'text/event-stream' };
const WANTS_STREAM = /"stream":\s*true/;

const stats = { calls: 0, messages: 0 };

const server = createServer({ keepAliveTimeout: 300_000 }, (request, response) => {
  if (request.method === 'GET') {
    const answer = request.url === '/stats' ? stats : { object: 'list', data: [{ id: model, object: 'model' }] };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    return;
  }
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = (parts.length === 1 ? parts[0] : Buffer.concat(parts)).toString();
    stats.calls += 1;
    stats.messages += countOf('"role":', body);
    const wantsStream = WANTS_STREAM.test(body);
    if (delayMs === 0 && tokensPerSecond === 0) {
      if (wantsStream) response.writeHead(200, SSE_HEADERS).end(wholeStream);
      else response.writeHead(200, JSON_HEADERS).end(completion);
    } else void answerSlowly(response, wantsStream);
  });
});

async function answerSlowly(response, wantsStream) {
  const gapMs = tokensPerSecond === 0 ? 0 : 1000 / tokensPerSecond;
  await sleep(delayMs);
  if (!wantsStream) {
    await sleep(gapMs * tokens);
    response.writeHead(200, JSON_HEADERS).end(completion);
    return;
  }
  response.writeHead(200, SSE_HEADERS).write(opening);
  const begin = performance.now();
  for (const [i, piece] of pieces.entries()) {
    // Scheduled from the start time, so that the delays of timers do not add up.
    const waitMs = begin + i * gapMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    if (response.destroyed) return;
    response.write(delta(piece));
  }
  response.end(closing);
}

function countOf(needle, text) {
  let count = 0;
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + needle.length)) count += 1;
  return count;
}

process.on('disconnect', () => process.exit());
server.listen(Number(values.port), '127.0.0.1');
