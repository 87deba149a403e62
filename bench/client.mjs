/**
 * A measuring client in its own process. On the message `{ target, count, concurrency }` it sends `count` requests
 * in a closed loop. With `perSecond` and `seconds` instead, it sends them at a fixed rate however long the responses take, and
 * measures each from the time at which it was due, so that a stalled server is also charged for the requests that waited.
 * The result has one entry per request: `total` and, for streams, `first` (both ms), and `gaps` between all pieces of text.
 */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

const TIMEOUT_MS = 60_000;
/** The pause after an error, so that a server that refuses everything is not flooded. */
const MOST_ERRORS = 50;

process.on('message', (work) => void run(work).then((result) => process.send(result)));
process.on('disconnect', () => process.exit());

async function run({ target, count, concurrency, perSecond, seconds }) {
  const options = { pipelining: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
  const pool = new Pool(target.url, { ...options, connections: concurrency ?? 512 });
  const result = { total: [], first: [], gaps: [], errors: 0, firstError: null };
  const began = performance.now();
  if (perSecond === undefined) await closedLoop(pool, target, { count, concurrency }, result);
  else await fixedRate(pool, target, { perSecond, seconds }, result);
  result.seconds = (performance.now() - began) / 1000;
  await pool.close();
  return result;
}

/** Each client has its own requests, if there are enough: concurrent turns of one session are refused. */
async function closedLoop(pool, target, { count, concurrency }, result) {
  const { requests } = target;
  let left = count;
  const client = async (number) => {
    const mine = requests.filter((_, index) => index % concurrency === number % requests.length);
    for (let turn = 0; left > 0 && result.errors < MOST_ERRORS; turn += 1) {
      left -= 1;
      await measure(pool, target, mine[turn % mine.length], performance.now(), result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, number) => client(number)));
}

async function fixedRate(pool, target, { perSecond, seconds }, result) {
  const running = [];
  const began = performance.now();
  for (let index = 0; index < perSecond * seconds && result.errors < MOST_ERRORS; index += 1) {
    const due = began + (index / perSecond) * 1000;
    const early = due - performance.now();
    if (early > 1) await sleep(early);
    running.push(measure(pool, target, target.requests[index % target.requests.length], due, result));
  }
  await Promise.all(running);
}

async function measure(pool, target, request, sentAt, result) {
  try {
    const { status, text, pieces } = await post(pool, target, request);
    if (status !== 200) throw new Error(`status ${status}: ${text.slice(0, 200)}`);
    result.total.push(performance.now() - sentAt);
    if (target.marker === null) return;
    if (pieces.length === 0) throw new Error(`no text in the stream: ${text.slice(0, 200)}`);
    result.first.push(pieces[0] - sentAt);
    for (let i = 1; i < pieces.length; i += 1) result.gaps.push(pieces[i] - pieces[i - 1]);
  } catch (error) {
    result.errors += 1;
    result.firstError ??= error.message;
  }
}

/** For a stream, `pieces` has the times at which text arrived. */
function post(pool, { method = 'POST', path, marker, alternateMarker }, { headers, body }) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const pieces = [];
    let status = 0;
    pool.dispatch(
      { method, path, headers: body === null ? headers : { 'content-type': 'application/json', ...headers }, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, code) {
          status = code;
        },
        onResponseData(_controller, chunk) {
          chunks.push(chunk);
          const hasText =
            marker !== null && (chunk.includes(marker) || (alternateMarker && chunk.includes(alternateMarker)));
          if (hasText) pieces.push(performance.now());
        },
        onResponseEnd: () => resolve({ status, text: Buffer.concat(chunks).toString(), pieces }),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}
