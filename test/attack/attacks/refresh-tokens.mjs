import { each } from '../client.mjs';
import { Person } from '../people.mjs';

const AT_ONCE = 50;

/** One child for one token however many come with it, and no way back to an older one. */
export async function replayRefreshTokens({ target, report }) {
  const use = (token, server = target.main) =>
    target.client.call(server, 'POST', '/auth/refresh', { body: { refresh_token: token } });
  await race(target, use, report);
  await replayAncestors(target, use, report);
  await replayLate(target, use, report);
  await forge(target, use, report);
  await afterTheEnd(target, use, report);
}

const familyOf = async (target, { id }) =>
  (await target.query('select generation, revoked_at from sign_ins where user_id = $1', [id]))[0];

async function race(target, use, report) {
  const other = await target.server('second');
  const ada = await Person.register(target);
  const answers = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, i) => use(ada.refreshToken, i % 2 === 0 ? target.main : other)),
  );
  const children = new Set(answers.filter(({ status }) => status === 200).map(({ body }) => body.refresh_token));
  for (const answer of answers)
    report.judge('one of many at once', answer.status === 200 && children.size === 1, answer);
  const { generation, revoked_at: revokedAt } = await familyOf(target, ada);
  report.judge('a race makes one generation', generation === 2 && revokedAt === null, { status: generation });
  const [child] = children;
  report.judge('the child lives', (await use(child)).status === 200);
}

/** Somebody has the first token of a chain: with its use all that came of it ends. */
async function replayAncestors(target, use, report) {
  for (const depth of [2, 3, 5]) {
    const ada = await Person.register(target);
    const chain = [ada.refreshToken];
    let access;
    for (let i = 0; i < depth; i++) {
      const { body } = await use(chain.at(-1));
      chain.push(body.refresh_token);
      access = body.access_token;
    }
    const answers = await Promise.all(Array.from({ length: depth === 5 ? AT_ONCE : 1 }, () => use(chain[0])));
    for (const answer of answers) report.judge(`an ancestor, ${depth} back`, answer.status === 401, answer);
    for (const token of chain) {
      report.judge(`after a replay, the family of ${depth}`, (await use(token)).status === 401);
    }
    const me = await target.client.call(target.main, 'GET', '/users/me', { token: access });
    report.judge('after a replay, its access token', me.status === 401, me);
  }
}

/** The parent is good for a lost answer, for some seconds; then it is an ancestor like the others. */
async function replayLate(target, use, report) {
  const ada = await Person.register(target);
  const { body } = await use(ada.refreshToken);
  await target.query(`update sign_ins set last_used_at = last_used_at - interval '11 seconds' where user_id = $1`, [
    ada.id,
  ]);
  report.judge('the parent, eleven seconds later', (await use(ada.refreshToken)).status === 401);
  report.judge('the child after that', (await use(body.refresh_token)).status === 401);
}

async function forge(target, use, report) {
  const [ada, eve] = [await Person.register(target), await Person.register(target)];
  const bytes = Buffer.from(ada.refreshToken.slice(4), 'base64url');
  const foreign = Buffer.from(eve.refreshToken.slice(4), 'base64url');
  const text = (buffer) => `prt_${buffer.toString('base64url')}`;
  const forged = Array.from(bytes, (_, i) => {
    const copy = Buffer.from(bytes);
    copy[i] ^= 1;
    return text(copy);
  });
  forged.push(
    text(Buffer.concat([bytes.subarray(0, 36), foreign.subarray(36)])),
    text(Buffer.concat([foreign.subarray(0, 16), bytes.subarray(16)])),
    text(Buffer.concat([bytes.subarray(0, 36), Buffer.alloc(32)])),
    text(bytes.subarray(0, -1)),
    text(Buffer.concat([bytes, Buffer.alloc(1)])),
    `${ada.refreshToken}=`,
    ada.refreshToken.replace('prt_', 'PRT_'),
    ada.token,
    '',
    'prt_',
  );
  await each(forged, 8, async (token) => {
    const answer = await use(token);
    report.judge('forged', answer.status === 401, answer);
  });
  report.judge('forgeries have not ended the family', (await use(ada.refreshToken)).status === 200);
}

async function afterTheEnd(target, use, report) {
  const ends = {
    'signing out': (ada) => ada.must('POST', '/auth/logout'),
    'a new password': async (ada) => {
      await ada.signIn();
      const body = { current_password: ada.password, new_password: `${ada.password} 2` };
      await ada.must('POST', '/users/me/password', { body });
    },
    'deleting the account': (ada) => ada.must('DELETE', '/users/me', { body: { password: ada.password } }),
  };
  for (const [what, end] of Object.entries(ends)) {
    const ada = await Person.register(target);
    const { refreshToken, token } = ada;
    await end(ada);
    report.judge(`a refresh token after ${what}`, (await use(refreshToken)).status === 401);
    const me = await target.client.call(target.main, 'GET', '/users/me', { token });
    report.judge(`an access token after ${what}`, me.status === 401, me);
  }
}
