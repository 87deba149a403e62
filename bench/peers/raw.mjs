/**
 * The lower bound: the same turn without a framework. node:http, pg and undici, the rest by hand; the SQL of the turn
 * is Parley's own, from its build, so the database does the same work. It omits what a framework and a product provide:
 * routing, declared validation, problem details, security headers, deadlines, retries, stop, resume, a real token count, logs.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { Pool } from 'undici';

const env = process.env;
const dist = pathToFileURL(`${env.PARLEY_DIST}/`);
const { LOCK_SESSION, OPEN_IN_SESSION, CLOSE } = await import(
  new URL('src/modules/chat/storage/turn-statements.js', dist).href
);
const { ADMIT } = await import(new URL('src/modules/chat/storage/context-statements.js', dist).href);
const { isId, newId } = await import(new URL('src/kernel/ids.js', dist).href);

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_MESSAGE_CHARS = 100_000;
const LEASE_MS = 30_000;
const HISTORY = Number(env.HISTORY_MESSAGES);
const CONTEXT_TOKENS = 16_000;
const PLAN = 'unlimited';
const OWNER = newId();

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// --- token -----------------------------------------------------------------------------------------------------------

const key = createSecretKey(Buffer.from(env.JWT_KEY, 'base64'));
const JWT_HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt', kid: env.JWT_KEY_ID })).toString(
  'base64url',
);

/** Checks signature, header, issuer, audience and time of a bearer token, and returns its user. */
function userOf(authorization = '') {
  const [header, claims, signature] = authorization.slice('Bearer '.length).split('.');
  if (!authorization.startsWith('Bearer ') || header !== JWT_HEADER || !signature) throw new Refusal(401, 'no token');
  const expected = createHmac('sha256', key).update(`${header}.${claims}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Refusal(401, 'bad signature');
  const { sub, iss, aud, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString());
  if (iss !== 'parley' || aud !== 'parley-api' || exp * 1000 < Date.now() || !isId(sub))
    throw new Refusal(401, 'stale');
  return sub;
}

// --- body ------------------------------------------------------------------------------------------------------------

const FIELDS = new Set(['project_id', 'session_id', 'message', 'stream']);

function readBody(request) {
  return new Promise((resolve, reject) => {
    const parts = [];
    let size = 0;
    request.on('data', (part) => {
      parts.push(part);
      size += part.length;
      if (size > MAX_BODY_BYTES) reject(new Refusal(413, 'too large'));
    });
    request.on('end', () => resolve(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
    request.on('error', reject);
  });
}

function parseTurn(bytes) {
  let body;
  try {
    body = JSON.parse(bytes.toString());
  } catch {
    throw new Refusal(400, 'not JSON');
  }
  if (typeof body !== 'object' || body === null) throw new Refusal(422, 'not an object');
  for (const field in body) if (!FIELDS.has(field)) throw new Refusal(422, `unknown field ${field}`);
  const { project_id: projectId, session_id: sessionId, message, stream = false } = body;
  if (!isId(projectId) || !isId(sessionId) || typeof stream !== 'boolean') throw new Refusal(422, 'bad id');
  if (typeof message !== 'string' || message.trim() === '' || message.length > MAX_MESSAGE_CHARS) {
    throw new Refusal(422, 'bad message');
  }
  if (message.includes('\0') || !message.isWellFormed()) throw new Refusal(422, 'bad characters');
  return { projectId, sessionId, message, isStream: stream };
}

// --- database --------------------------------------------------------------------------------------------------------

const database = new pg.Pool({
  connectionString: env.DATABASE_URL,
  max: Number(env.DATABASE_POOL_SIZE),
  pipeline: true,
  options: '-c role=parley_app -c jit=off',
});

/** One transaction in one round trip: BEGIN, the tenant, the statements and COMMIT in one write. */
async function transaction(userId, statements) {
  const client = await database.connect();
  let failure;
  try {
    const { stream } = client.connection;
    stream.cork();
    const answers = [client.query(`begin; set local app.user_id = '${userId}'`)];
    for (const statement of statements) answers.push(client.query(statement));
    answers.push(client.query('commit'));
    stream.uncork();
    return await Promise.all(answers);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    client.release(failure);
  }
}

// --- model -----------------------------------------------------------------------------------------------------------

const base = new URL(env.OPENAI_BASE_URL);
const upstream = new Pool(base.origin, { headersTimeout: 60_000, bodyTimeout: 60_000 });
const MODEL_HEADERS = { authorization: `Bearer ${env.OPENAI_API_KEY}`, 'content-type': 'application/json' };

/** Posts to the model; `onData` receives the body in pieces, and the promise resolves at its end. */
function askModel(body, onData) {
  const options = { method: 'POST', path: `${base.pathname}/chat/completions`, headers: MODEL_HEADERS, body };
  return new Promise((resolve, reject) => {
    upstream.dispatch(options, {
      onRequestStart() {},
      onResponseStart(controller, status) {
        if (status !== 200) controller.abort(new Refusal(502, `the model answered ${status}`));
      },
      onResponseData: (_controller, chunk) => onData(chunk),
      onResponseEnd: () => resolve(),
      onResponseError: (_controller, error) => reject(error),
    });
  });
}

async function complete(messages) {
  const chunks = [];
  await askModel(JSON.stringify({ model: env.OPENAI_MODEL, messages }), (chunk) => chunks.push(chunk));
  const { id, model, choices, usage } = JSON.parse(Buffer.concat(chunks).toString());
  return { id, model, content: choices[0].message.content, finishReason: choices[0].finish_reason, usage };
}

/** The same as a stream: all deltas of one socket read are passed on as one text. */
async function stream(messages, onText) {
  const answer = { id: null, model: null, content: '', finishReason: null, usage: null };
  const utf8 = new TextDecoder();
  let rest = '';
  const body = { model: env.OPENAI_MODEL, messages, stream: true, stream_options: { include_usage: true } };
  await askModel(JSON.stringify(body), (chunk) => {
    const frames = (rest + utf8.decode(chunk, { stream: true })).split('\n\n');
    rest = frames.pop();
    let text = '';
    for (const frame of frames) {
      if (frame === 'data: [DONE]') continue;
      const { id, model, choices, usage } = JSON.parse(frame.slice('data: '.length));
      answer.id = id;
      answer.model = model;
      if (usage) answer.usage = usage;
      if (choices.length > 0) text += choices[0].delta.content ?? '';
      if (choices.length > 0 && choices[0].finish_reason !== null) answer.finishReason = choices[0].finish_reason;
    }
    answer.content += text;
    if (text !== '') onText(text, answer.content.length);
  });
  return answer;
}

// --- turn ------------------------------------------------------------------------------------------------------------

const REQUEST = { model: null, params: {} };
const estimateTokens = (text) => Math.ceil(text.length / 4);

async function turn(userId, { projectId, sessionId, message, isStream }, response) {
  const [questionId, answerId, claimId] = [newId(), newId(), newId()];
  const claim = { answerId, claimId, owner: OWNER, leaseMs: LEASE_MS, request: REQUEST, policy: null };
  const question = { questionId, content: message, parts: null, contentTokens: estimateTokens(message), sealed: null };
  const place = { projectId, sessionId, title: null, hasParent: false, parentId: null };
  const read = { messageId: questionId, historyMessages: HISTORY, contextTokens: CONTEXT_TOKENS, stamp: null };
  const limits = { apiKeyId: null, defaultPlan: PLAN, maxOutputTokens: null, usualOutputTokens: 1000 };
  const [, , opened, context] = await transaction(userId, [
    LOCK_SESSION({ userId, sessionId }),
    OPEN_IN_SESSION({ userId, ...claim, ...question, ...place }),
    ADMIT({ userId, ...read, answerId, budgetRules: '{}', ...limits }),
  ]);
  const row = opened.rows[0];
  if (row === undefined) throw new Refusal(404, 'no such project or session');
  const createdAt = row.createdAt.toISOString();
  const user_message = present(questionId, row, 'user', message, row.parentId, createdAt, createdAt);

  const rows = context.rows.sort((a, b) => a.place - b.place);
  const isPrompt = ({ role }) => role === 'system';
  const isSaid = ({ role, content }) => (role === 'user' || role === 'assistant') && content !== '';
  const history = rows.filter(isSaid).reverse();
  const messages = [...rows.filter(isPrompt), ...history].map(({ role, content, parts }) => ({
    role,
    content: parts ?? content,
  }));
  messages.push({ role: 'user', content: message });

  const events = isStream ? openEvents(response, answerId) : null;
  const pending = present(answerId, row, 'assistant', '', questionId, createdAt, null);
  events?.send('0', 'turn.started', { session_id: sessionId, user_message, assistant_message: pending });
  const answer = await (isStream ? stream(messages, events.onText) : complete(messages));

  const { id, model, content, finishReason, usage } = answer;
  const tokens = [usage.prompt_tokens, usage.completion_tokens];
  const call = {
    attempt: 1,
    provider: 'openai',
    model,
    isOwnKey: false,
    status: 'completed',
    inputTokens: tokens[0],
    outputTokens: tokens[1],
    isEstimated: false,
    generationId: id,
  };
  const facts = {
    status: 'completed',
    content,
    contentTokens: estimateTokens(content),
    finishReason,
    provider: 'openai',
    model,
    generationId: id,
    inputTokens: tokens[0],
    outputTokens: tokens[1],
    cachedInputTokens: null,
    isUsageEstimated: false,
    errorCode: null,
    attempt: 1,
    sealed: null,
    context: null,
    errorDetail: null,
    projectId,
    calls: [call],
    usedTokens: null,
  };
  const [, closed] = await transaction(userId, [CLOSE({ userId, answerId, claimId, ...facts })]);
  const completedAt = closed.rows[0].completedAt.toISOString();
  const assistant_message = present(answerId, row, 'assistant', content, questionId, createdAt, completedAt, answer);
  if (events !== null) {
    events.send('end', 'turn.completed', { assistant_message });
    response.end();
  } else reply(response, 200, JSON.stringify({ session_id: sessionId, user_message, assistant_message }));
}

function present(id, { sessionId }, role, content, parentId, createdAt, completedAt, answer) {
  return {
    id,
    session_id: sessionId,
    parent_id: parentId,
    role,
    content,
    status: completedAt === null ? 'pending' : 'completed',
    finish_reason: answer?.finishReason ?? null,
    provider: answer === undefined ? null : 'openai',
    model: answer?.model ?? null,
    usage:
      answer === undefined
        ? null
        : {
            input_tokens: answer.usage.prompt_tokens,
            output_tokens: answer.usage.completion_tokens,
            cached_input_tokens: null,
            estimated: false,
          },
    cost_micro_usd: null,
    error: null,
    feedback: null,
    created_at: createdAt,
    completed_at: completedAt,
  };
}

// --- server ----------------------------------------------------------------------------------------------------------

function openEvents(response, answerId) {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  const send = (id, event, data) => response.write(`id: 1.${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  return { send, onText: (text, offset) => send(offset, 'message.delta', { message_id: answerId, text }) };
}

function reply(response, status, json) {
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
    .end(json);
}

const server = createServer({ keepAliveTimeout: 65_000 }, async (request, response) => {
  try {
    if (request.method !== 'POST' || request.url !== '/chat') throw new Refusal(404, 'no such route');
    const userId = userOf(request.headers.authorization);
    await turn(userId, parseTurn(await readBody(request)), response);
  } catch (error) {
    if (response.headersSent) return void response.destroy();
    if (!(error instanceof Refusal)) process.stderr.write(`${error.stack}\n`);
    reply(response, error.status ?? 500, JSON.stringify({ error: error.message }));
  }
});

process.on('SIGTERM', () => process.exit());
process.on('disconnect', () => process.exit());
server.listen(Number(env.PORT), '127.0.0.1');
