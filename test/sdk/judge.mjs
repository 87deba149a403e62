import { isDeepStrictEqual } from 'node:util';
import { UNHEARD_OF } from './server.mjs';

/** The offline model repeats the question in its answer. */
const QUESTION = 'What should I see?';
const REPEATED = /Your new message: “(.*)”/;

/** What a client must have read, step by step, in this order. */
const expected = (email) => ({
  register: { email },
  project: { name: 'Guide', on_conflict: 'queue', temperature: 0.2 },
  prompt: { content: 'You know Lisbon.', position: 0 },
  turn: { text: QUESTION, status: 'completed', part: QUESTION },
  stream: { first: 'turn.started', last: 'turn.completed', text: 'And then?' },
  pages: { pages: 2, messages: 4 },
  invalid: { status: 422, code: 'validation_failed', pointer: '/project_id' },
  missing: { status: 404, code: 'not_found' },
  patch: { name: 'Guide to Lisbon', on_conflict: 'queue' },
  future: { status: UNHEARD_OF, finish_reason: UNHEARD_OF, text: QUESTION, code: UNHEARD_OF },
});

/** What is wrong with what a client has told, and with the PATCH that the proxy has seen; an empty list when all is well. */
export function judge(email, output, patches) {
  const told = output
    .split('\n')
    .filter((line) => line.startsWith('{"step":'))
    .map((line) => JSON.parse(line, (_, value) => REPEATED.exec(value)?.[1] ?? value));
  const wanted = Object.entries(expected(email)).map(([step, facts]) => ({ step, ...facts }));
  const faults = wanted
    .filter((facts) => !told.some((line) => isDeepStrictEqual(line, facts)))
    .map((facts) => {
      const got = told.find(({ step }) => step === facts.step);
      return `${facts.step}: expected ${JSON.stringify(facts)}, got ${got === undefined ? 'nothing' : JSON.stringify(got)}`;
    });
  if (faults.length === 0 && told.length !== wanted.length)
    faults.push(`${told.length} steps instead of ${wanted.length}`);
  const patched = { body: { name: 'Guide to Lisbon' }, changed: ['name', 'updated_at'] };
  if (!isDeepStrictEqual(patches, [patched])) {
    faults.push(`patch: expected ${JSON.stringify([patched])} on the wire, got ${JSON.stringify(patches)}`);
  }
  return faults;
}
