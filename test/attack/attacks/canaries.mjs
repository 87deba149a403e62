import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { Person } from '../people.mjs';

/** What is shown once, in the answer that makes it, and in no other. */
const SHOWN_ONCE = new Set(['API key', 'recovery code', 'second factor']);
/** What no answer shows at all. Tokens are given to their owners, and challenges to those who have the password. */
const NEVER_SHOWN = new Set([
  'password',
  'provider key',
  'master key',
  'private key',
  'JWT_SECRET',
  'PASSWORD_PEPPER',
  'OPENAI_API_KEY',
  'reset token',
  'verification token',
]);

/** Every secret of the whole run, looked for in every line of every log, in every answer and in every row. */
export async function findCanaries({ target, report }) {
  await useEverySecret(target);
  const { secrets, log, client } = target;
  const inLog = secrets.countIn(log.join('\n'));
  for (const [secret, kind] of secrets.all)
    report.judge(
      `${kind} in the log`,
      !inLog.has(secret),
      log.find((line) => line.includes(secret)),
    );
  judgeAnswers(secrets, client.answers, report);
  for (const [where, text] of await dumps(target)) {
    const inDump = secrets.countIn(text);
    for (const [secret, kind] of secrets.all)
      report.judge(`${kind} in ${where}`, !inDump.has(secret), secret.slice(0, 6));
  }
}

function judgeAnswers(secrets, answers, report) {
  const texts = answers.map(({ text, headers }) => text + JSON.stringify(headers));
  const inAnswers = secrets.countIn(texts.join('\n'));
  for (const [secret, kind] of secrets.all) {
    if (NEVER_SHOWN.has(kind)) {
      const seen = inAnswers.has(secret) ? answers[texts.findIndex((text) => text.includes(secret))].what : undefined;
      report.judge(`${kind} in an answer`, seen === undefined, seen);
    } else if (SHOWN_ONCE.has(kind) && inAnswers.get(secret) > 1) {
      const where = answers.filter((_, i) => texts[i].includes(secret)).map(({ what }) => what);
      // The secret of a second factor stands twice in its answer, the second time as an address.
      report.judge(`${kind} in answers`, where.length === 1, where.join(', '));
    }
  }
}

/** Each kind of secret once more, where it could go wrong: in refusals, failures and faults of the database. */
async function useEverySecret(target) {
  const { secrets, client, main } = target;
  const ada = await Person.register(target);
  const { project_id } = await ada.belongings();
  const providerKey = secrets.add('provider key', `sk-canary-${ada.id.replaceAll('-', '')}`);
  const body = { provider: 'openai', api_key: providerKey };
  const headers = { 'idempotency-key': ada.id };
  for (let i = 0; i < 2; i++) await ada.call('PUT', `/projects/${project_id}/provider-key`, { headers, body });
  const before = target.model.requests.length;
  await ada.call('POST', '/chat', { body: { project_id, message: 'With my own key' } });
  const used = target.model.requests
    .slice(before)
    .some(({ authorization }) => authorization === `Bearer ${providerKey}`);
  if (!used) throw new Error('the provider key did not reach the model: looking for it elsewhere proves nothing');
  await ada.call('GET', `/projects/${project_id}/provider-key`);
  await ada.call('GET', '/users/me/export');
  const wrong = secrets.add('password', `${ada.password} mistyped`);
  await ada.signIn({ password: wrong });
  await ada.signIn({ password: wrong, extra: ada.password });
  await client.call(main, 'POST', '/auth/login', { raw: `{"email":"${ada.email}","password":"${wrong}"` });
  await client.call(main, 'POST', '/auth/login', { form: { username: ada.email, password: wrong } });
  await client.call(main, 'POST', '/auth/refresh', {
    body: { refresh_token: ada.refreshToken, [ada.refreshToken]: 1 },
  });
  await client.call(main, 'GET', `/projects?access_token=${ada.token}`);
  await ada.call('PUT', `/projects/${project_id}/provider-key`, {
    body: { ...body, base_url: `https://${providerKey}@x.dev` },
  });
  // A row that cannot be written: the database's error contains the row.
  await target.query('alter table sign_ins add constraint ck_attack check (false) not valid');
  await ada.signIn();
  await target.query('alter table sign_ins drop constraint ck_attack');
  await ada.call('POST', '/users/me/password', {
    headers,
    body: { current_password: ada.password, new_password: wrong },
  });
  await ada.call('POST', '/users/me/password', {
    headers,
    body: { current_password: ada.password, new_password: wrong },
  });
}

/** All rows of all tables as text, and what pg_dump makes of them where there is one that fits the server. */
async function dumps(target) {
  const tables = await target.query(
    `select table_name as name from information_schema.tables where table_schema = 'public'`,
  );
  const found = [];
  for (const { name } of tables) {
    const rows = await target.query(`select t::text as row from ${name} t`);
    const text = rows.map(({ row }) => row).join('\n');
    // What is stored as bytes is looked at as the characters that they are.
    const bytes = [...text.matchAll(/\\\\x([0-9a-f]+)/g)].map(([, hex]) => Buffer.from(hex, 'hex').toString('latin1'));
    found.push([`table ${name}`, [text, ...bytes].join('\n')]);
  }
  try {
    const text = execFileSync('pg_dump', [target.databaseUrl], {
      encoding: 'utf8',
      maxBuffer: 2 ** 29,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH },
    });
    found.push(['the dump', text]);
  } catch {
    // None at hand, or one of another version: the tables have it all.
  }
  return found;
}
