/**
 * The clients, in their own process, so that their work is not counted as the server's. A closed loop: each of
 * `concurrency` clients sends its next message when the last one is answered. No two clients share a session.
 * The parent sends `{ plan }` once, then `{ round }` for each measurement, and gets its result back.
 */
import process from 'node:process';
import { Pool } from 'undici';

const REQUEST_TIMEOUT_MS = 30_000;
let sessions = [];
let answer = '';

process.on('message', ({ plan, round }) => {
  if (plan !== undefined) ({ sessions, answer } = plan);
  if (round !== undefined) void runRound(round).then((result) => process.send(result));
});
process.on('disconnect', () => process.exit());

async function runRound({ url, seconds, concurrency, isStream }) {
  const pool = new Pool(url, { connections: concurrency, pipelining: 1, headersTimeout: REQUEST_TIMEOUT_MS });
  const result = { turns: 0, errors: 0, firstError: null, latencies: [], firstBytes: [] };
  const begin = performance.now();
  const until = begin + seconds * 1000;
  const client = async (number) => {
    const mine = sessions.filter((_, index) => index % concurrency === number);
    for (let turn = 0; performance.now() < until; turn += 1) {
      const { token, messages, projectId, sessionId } = mine[turn % mine.length];
      const message = messages[turn % messages.length];
      const body = JSON.stringify({ project_id: projectId, session_id: sessionId, message, stream: isStream });
      const sent = performance.now();
      try {
        const response = await post(pool, token, body, isStream);
        result.latencies.push(performance.now() - sent);
        if (isStream) result.firstBytes.push(response.firstByteAt - sent);
        const problem = isStream ? wrongInStream(response) : wrongInJson(response, message);
        if (problem !== null) throw new Error(problem);
        result.turns += 1;
      } catch (error) {
        result.errors += 1;
        result.firstError ??= error.message;
        // Pauses, so that a server that refuses everything is not flooded.
        if (result.errors > 100) return;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, number) => client(number)));
  const elapsedMs = performance.now() - begin;
  await pool.close();
  const { turns, errors, firstError, latencies, firstBytes } = result;
  return {
    turns,
    errors,
    firstError,
    perSecond: (turns / elapsedMs) * 1000,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    firstByteP50: isStream ? quantile(firstBytes, 0.5) : null,
  };
}

/** undici's dispatch itself: the clients share two cores with the server, so they are kept cheap. */
function post(pool, token, body, isStream) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  if (isStream) headers.accept = 'text/event-stream';
  return new Promise((resolve, reject) => {
    const chunks = [];
    let status = 0;
    let firstByteAt = 0;
    pool.dispatch(
      { method: 'POST', path: '/chat', headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, code) {
          status = code;
        },
        onResponseData(_controller, chunk) {
          if (firstByteAt === 0) firstByteAt = performance.now();
          chunks.push(chunk);
        },
        onResponseEnd() {
          resolve({ status, firstByteAt, text: Buffer.concat(chunks).toString() });
        },
        onResponseError(_controller, error) {
          reject(error);
        },
      },
    );
  });
}

function wrongInJson({ status, text }, message) {
  if (status !== 200) return `status ${status}: ${text.slice(0, 200)}`;
  const { user_message: question, assistant_message: reply } = JSON.parse(text);
  return question.content === message && reply.content === answer && reply.status === 'completed'
    ? null
    : `not the expected answer: ${text.slice(0, 200)}`;
}

function wrongInStream({ status, text }) {
  if (status !== 200) return `status ${status}: ${text.slice(0, 200)}`;
  let content = '';
  let isComplete = false;
  for (const frame of text.split('\n\n')) {
    const data = frame.slice(frame.indexOf('data: ') + 6);
    if (frame.includes('event: message.delta\n')) content += JSON.parse(data).text;
    else if (frame.includes('event: turn.completed\n')) {
      isComplete = JSON.parse(data).assistant_message.content === answer;
    }
  }
  return isComplete && content === answer ? null : `not the expected stream: ${text.slice(-200)}`;
}

function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}
