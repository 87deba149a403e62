import { readFileSync } from 'node:fs';
import { judge } from './judge.mjs';
import { openFields, toFuture } from './server.mjs';

const EMAIL = 'ada@example.com';
const PATCH = { body: { name: 'Guide to Lisbon' }, changed: ['name', 'updated_at'] };
const repeat = (message: string): string => `Hello.\n\nYour new message: “${message}”\n\nBye.`;
const TOLD = [
  { step: 'register', email: EMAIL },
  { step: 'project', name: 'Guide', on_conflict: 'queue', temperature: 0.2 },
  { step: 'prompt', content: 'You know Lisbon.', position: 0 },
  { step: 'turn', text: repeat('What should I see?'), status: 'completed', part: repeat('What should I see?') },
  { step: 'stream', first: 'turn.started', last: 'turn.completed', text: repeat('And then?') },
  { step: 'pages', pages: 2, messages: 4 },
  { step: 'invalid', status: 422, code: 'validation_failed', pointer: '/project_id' },
  { step: 'missing', status: 404, code: 'not_found' },
  { step: 'patch', name: 'Guide to Lisbon', on_conflict: 'queue' },
  {
    step: 'future',
    status: 'unheard_of',
    finish_reason: 'unheard_of',
    text: repeat('What should I see?'),
    code: 'unheard_of',
  },
];
const print = (lines: readonly object[]): string => lines.map((line) => JSON.stringify(line)).join('\n');

describe('the judge of generated clients', () => {
  it('finds no fault in a job that was played as expected', () => {
    expect(judge(EMAIL, print(TOLD), [PATCH])).toEqual([]);
  });

  it.each(TOLD.map(({ step }) => step))('misses the step %s', (step) => {
    const faults = judge(EMAIL, print(TOLD.filter((line) => line.step !== step)), [PATCH]);
    expect(faults).toEqual([expect.stringMatching(new RegExp(`^${step}: .*got nothing$`))]);
  });

  it('names what a step has read instead', () => {
    const lines = TOLD.map((line) => (line.step === 'missing' ? { ...line, code: 'internal_error' } : line));
    expect(judge(EMAIL, print(lines), [PATCH])).toEqual([expect.stringContaining('"code":"internal_error"')]);
  });

  it('notices a PATCH that sends a setting which the caller has not named', () => {
    const sent = { body: { name: 'Guide to Lisbon', on_conflict: 'reject' }, changed: ['name', 'updated_at'] };
    expect(judge(EMAIL, print(TOLD), [sent])).toEqual([expect.stringContaining('"on_conflict":"reject"')]);
  });

  it('notices a PATCH that has changed another setting', () => {
    const sent = { ...PATCH, changed: ['name', 'on_conflict', 'updated_at'] };
    expect(judge(EMAIL, print(TOLD), [sent])).toEqual([expect.stringContaining('"changed":["name","on_conflict"')]);
  });

  it('notices that no PATCH was sent', () => {
    expect(judge(EMAIL, print(TOLD), [])).toHaveLength(1);
  });
});

describe('the future server', () => {
  const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as object;

  it('changes every field with an open enumeration, and adds a field to every object', () => {
    const message = {
      id: '1',
      type: 'text',
      status: 'completed',
      finish_reason: null,
      error: { code: 'overloaded', status: 503 },
    };
    expect(toFuture([message], openFields(document))).toEqual([
      {
        id: '1',
        type: 'text',
        status: 'unheard_of',
        finish_reason: null,
        error: { code: 'unheard_of', status: 503, unheard_of: true },
        unheard_of: true,
      },
    ]);
  });

  it('finds the open enumerations of messages and problems in the document', () => {
    expect([...openFields(document)]).toEqual(
      expect.arrayContaining(['status', 'finish_reason', 'provider', 'code', 'role']),
    );
  });
});
