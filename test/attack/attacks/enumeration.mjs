import { randomBytes } from 'node:crypto';
import { visible } from '../client.mjs';
import { Person } from '../people.mjs';

const SAMPLES = 24;
/** A hash costs some fifty times as much as all the rest of a request: half of one is far from either. */
const SHARE_OF_A_HASH = 0.5;
const WRONG = 'not the password 12';

/** Who has an account can be told neither by the words, nor by the status, nor by the time of an answer. */
export async function enumerate({ target, report }) {
  const people = await peopleOf(target);
  const verifying = await target.server('verifying', { REQUIRE_VERIFIED_EMAIL: 'true' });
  const hashMs = await hashTime(target, people.known);
  const post =
    (path, bodyOf, server = target.main) =>
    (email) =>
      target.client.call(server, 'POST', path, { body: bodyOf(email) });
  const logIn = post('/auth/login', (email) => ({ email, password: WRONG }));
  const questions = {
    'sign-in': [logIn, people.known.email],
    'sign-in with a second factor': [logIn, people.careful.email],
    'sign-in to a disabled account': [logIn, people.disabled.email],
    'the right password of a disabled account': [
      post('/auth/login', (email) => ({ email, password: people.disabled.password })),
      people.disabled.email,
    ],
    'asking for a reset': [post('/auth/password/forgot', (email) => ({ email })), people.known.email],
    'registering where addresses are verified': [
      post('/auth/register', (email) => ({ email, password: 'a decent pass phrase' }), verifying),
      people.known.email,
    ],
    'the right password of an address that is not verified': [
      post('/auth/login', (email) => ({ email, password: people.known.password }), verifying),
      people.known.email,
    ],
  };
  for (const [what, [ask, known]] of Object.entries(questions)) {
    await report.judgeTwice(what, () => compare(ask, known, hashMs));
  }
  await byToken(target, people.known, report);
  await target.retire('verifying');
}

async function peopleOf(target) {
  const [known, careful, disabled] = [
    await Person.register(target),
    await Person.register(target),
    await Person.register(target),
  ];
  await careful.must('POST', '/auth/second-factor', { body: { password: careful.password } });
  await target.query('update users set disabled_at = now() where id = $1', [disabled.id]);
  return { known, careful, disabled };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** What one right password costs, all in all. */
async function hashTime(target, { email, password }) {
  const times = [];
  for (let i = 0; i < 7; i++) {
    const { ms } = await target.client.call(target.main, 'POST', '/auth/login', { body: { email, password } });
    times.push(ms);
  }
  return median(times);
}

/** Known and unknown in turn, so that what the machine does meanwhile meets both. */
async function compare(ask, known, hashMs) {
  const times = { known: [], unknown: [] };
  const answers = { known: new Set(), unknown: new Set() };
  for (let i = 0; i < SAMPLES; i++) {
    const unknown = `nobody-${randomBytes(6).toString('hex')}@example.com`;
    for (const [kind, email] of i % 2 === 0
      ? [
          ['known', known],
          ['unknown', unknown],
        ]
      : [
          ['unknown', unknown],
          ['known', known],
        ]) {
      const answer = await ask(email);
      times[kind].push(answer.ms);
      answers[kind].add(visible(answer));
    }
  }
  const [knownMs, unknownMs] = [median(times.known), median(times.unknown)];
  const words = new Set([...answers.known, ...answers.unknown]);
  const isRefused = words.size === 1 && Math.abs(knownMs - unknownMs) < SHARE_OF_A_HASH * hashMs;
  return { isRefused, facts: { knownMs, unknownMs, hashMs, words: [...words].slice(0, 2) } };
}

/** Tokens that name a user prove nothing; what is answered must not depend on whether there is one of that name. */
async function byToken(target, known, report) {
  const id = (userId) => Buffer.from(userId.replaceAll('-', ''), 'hex');
  const nobody = '00000000-0000-7000-8000-000000000001';
  const ask = {
    refresh: (userId) => [
      '/auth/refresh',
      { refresh_token: `prt_${Buffer.concat([id(userId), id(userId), Buffer.alloc(36, 1)]).toString('base64url')}` },
    ],
    reset: (userId) => [
      '/auth/password/reset',
      {
        token: `ppr_${Buffer.concat([id(userId), Buffer.alloc(36, 255)]).toString('base64url')}`,
        new_password: 'a decent pass phrase',
      },
    ],
  };
  for (const [what, of] of Object.entries(ask)) {
    const answers = await Promise.all(
      [known.id, nobody].map((userId) => {
        const [path, body] = of(userId);
        return target.client.call(target.main, 'POST', path, { body });
      }),
    );
    report.judge(`a made-up token: ${what}`, visible(answers[0]) === visible(answers[1]), answers[0]);
  }
}
