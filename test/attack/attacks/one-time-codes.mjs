import { TOTP, Secret } from 'otpauth';
import { Person } from '../people.mjs';

const AT_ONCE = 20;
const PERIOD_MS = 30_000;

/** What is good once is good once, however many come with it: codes, recovery codes, reset tokens. */
export async function reuseCodes({ target, report }) {
  await codeRace(target, report);
  await recoveryCodeRace(target, report);
  await resetRace(target, report);
  await crossedTokens(target, report);
}

/** Switches the second factor on; answers with what makes codes, and with the recovery codes. */
async function secondFactorOf(target, person) {
  const { secret } = await person.must('POST', '/auth/second-factor', { body: { password: person.password } });
  const totp = new TOTP({ secret: Secret.fromBase32(target.secrets.add('second factor', secret)) });
  const code = totp.generate();
  const { recovery_codes: codes } = await person.must('POST', '/auth/second-factor/confirm', { body: { code } });
  target.secrets.add('recovery code', ...codes);
  return { totp, codes, used: code };
}

const challengeOf = async (target, person) => {
  const { body } = await person.signIn();
  return target.secrets.add('challenge', body.challenge);
};

const admitted = (answers) => answers.filter(({ status }) => status === 200);

async function codeRace(target, report) {
  const ada = await Person.register(target);
  const { totp, used } = await secondFactorOf(target, ada);
  const withPassword = await ada.signIn();
  report.judge(
    'the password alone',
    withPassword.status === 401 && withPassword.body.access_token === undefined,
    withPassword,
  );
  const challenge = await challengeOf(target, ada);
  const show = (code) =>
    target.client.call(target.main, 'POST', '/auth/login/second-factor', { body: { challenge, code } });
  report.judge('the code that switched it on', (await show(used)).status !== 200);
  // The clock of an app may be half a minute ahead.
  const code = totp.generate({ timestamp: Date.now() + PERIOD_MS });
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => show(code)));
  report.judge('a code, many at once: one gets in', admitted(answers).length === 1, {
    status: admitted(answers).length,
  });
  for (const answer of answers) report.judge('a code, many at once', admitted(answers).length <= 1, answer);
  report.judge('a code, once more', (await show(code)).status !== 200);
  for (let step = -40; step < -1; step++) {
    const old = totp.generate({ timestamp: Date.now() + step * PERIOD_MS });
    report.judge('a code of an earlier time', (await show(old)).status !== 200);
  }
}

async function recoveryCodeRace(target, report) {
  const ada = await Person.register(target);
  const { codes } = await secondFactorOf(target, ada);
  const { email, password } = ada;
  const answers = await Promise.all(
    Array.from({ length: AT_ONCE }, () =>
      target.client.call(target.main, 'POST', '/auth/login', { body: { email, password, otp: codes[0] } }),
    ),
  );
  for (const answer of answers) report.judge('a recovery code, many at once', admitted(answers).length <= 1, answer);
  const [{ left }] = await target.query(
    'select cardinality(recovery_hashes) as left from second_factors where user_id = $1',
    [ada.id],
  );
  report.judge('a recovery code is spent', left === codes.length - 1, { status: left });
}

async function resetTokenOf(target, person) {
  const before = target.mailbox.mails.length;
  await target.client.call(target.main, 'POST', '/auth/password/forgot', { body: { email: person.email } });
  return target.secrets.add('reset token', await target.mailbox.token(person.email, 'reset-password', before));
}

async function resetRace(target, report) {
  const ada = await Person.register(target);
  const [token, older] = [await resetTokenOf(target, ada), await resetTokenOf(target, ada)];
  const reset = (text, i) => {
    const body = { token: text, new_password: target.secrets.add('password', `${ada.password} ${i}`) };
    return target.client.call(target.main, 'POST', '/auth/password/reset', { body });
  };
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => reset(token, i)));
  const done = answers.filter(({ status }) => status === 204);
  for (const answer of answers) report.judge('a reset token, many at once', done.length === 1, answer);
  report.judge('a reset token, once more', (await reset(token, 'again')).status === 422);
  report.judge('another one of before the reset', (await reset(older, 'older')).status === 422);
  report.judge('the old password', (await ada.signIn()).status === 401);
}

/** A token for one thing is none for another, and none of somebody else's. */
async function crossedTokens(target, report) {
  const [ada, eve] = [await Person.register(target), await Person.register(target)];
  const verification = target.secrets.add('verification token', await target.mailbox.token(ada.email, 'verify-email'));
  const reset = await resetTokenOf(target, ada);
  const evesReset = await resetTokenOf(target, eve);
  const bytes = (token) => Buffer.from(token.slice(4), 'base64url');
  const mixed = `ppr_${Buffer.concat([bytes(reset).subarray(0, 20), bytes(evesReset).subarray(20)]).toString('base64url')}`;
  const later = Buffer.from(bytes(reset));
  later.writeUInt32BE(later.readUInt32BE(16) + 86_400, 16);
  const asReset = {
    verification,
    'verification, renamed': verification.replace(/^.{4}/, 'ppr_'),
    mixed,
    later: `ppr_${later.toString('base64url')}`,
    'an access token': ada.token,
    'a refresh token': ada.refreshToken,
  };
  for (const [what, token] of Object.entries(asReset)) {
    const body = { token, new_password: 'a new pass phrase 7' };
    const answer = await target.client.call(target.main, 'POST', '/auth/password/reset', { body });
    report.judge(`to reset a password: ${what}`, answer.status === 422, answer);
  }
  for (const token of [reset, reset.replace(/^.{4}/, verification.slice(0, 4)), ada.token, ada.refreshToken]) {
    const answer = await target.client.call(target.main, 'POST', '/auth/email/verify', { body: { token } });
    report.judge('to verify an address', answer.status === 422, answer);
  }
}
