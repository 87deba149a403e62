import { eventually } from '../client.mjs';
import { Person } from '../people.mjs';
import { APP_URL } from '../target.mjs';

const SAID = [
  { host: 'evil.example' },
  { host: `${new URL(APP_URL).host}:1@evil.example` },
  { 'x-forwarded-host': 'evil.example' },
  { forwarded: 'host=evil.example;proto=http' },
  { 'x-original-url': 'https://evil.example/auth/password/forgot' },
  { origin: 'https://evil.example', referer: 'https://evil.example/' },
  { 'x-forwarded-proto': 'http', 'x-forwarded-prefix': '//evil.example' },
];
const ADDRESSES = [
  'EMAIL\r\nBcc: spy@evil.example',
  'EMAIL\nBcc: spy@evil.example',
  'EMAIL%0d%0aBcc:spy@evil.example',
  'EMAIL,spy@evil.example',
  'EMAIL;spy@evil.example',
  'EMAIL spy@evil.example',
  '<spy@evil.example>EMAIL',
  'spy@evil.example <EMAIL>',
  '"EMAIL"@evil.example',
  'EMAIL\0@evil.example',
  'group:EMAIL,spy@evil.example;',
];

/** Links in mails lead to our app whatever a request says of where it came to, and mails go to their owner alone. */
export async function misleadMails({ target, report }) {
  const { client, mailbox } = target;
  for (const headers of SAID) {
    const ada = await Person.register(target);
    await mailbox.token(ada.email, 'verify-email');
    const before = mailbox.mails.length;
    await client.call(target.main, 'POST', '/auth/password/forgot', { headers, body: { email: ada.email } });
    await ada.call('POST', '/auth/email/verification', { headers });
    await mailbox.token(ada.email, 'reset-password', before);
    await mailbox.token(ada.email, 'verify-email', before);
    const mails = mailbox.mails.slice(before);
    report.judge(`mails after ${Object.keys(headers)}`, mails.length === 2, { status: mails.length });
    for (const mail of mails) judgeMail(mail, ada.email, report, JSON.stringify(headers));
  }
  await misaddress(target, report);
}

async function misaddress(target, report) {
  const { client, mailbox } = target;
  const ada = await Person.register(target);
  await mailbox.token(ada.email, 'verify-email');
  for (const shape of ADDRESSES) {
    const email = shape.replace('EMAIL', ada.email);
    const before = mailbox.mails.length;
    for (const [path, body] of [
      ['/auth/password/forgot', { email }],
      ['/auth/register', { email, password: 'a decent pass phrase' }],
    ]) {
      const answer = await client.call(target.main, 'POST', path, { body });
      report.judge(`${path} for ${JSON.stringify(shape)}`, answer.status === 422, answer);
    }
    report.judge(`no mail for ${JSON.stringify(shape)}`, mailbox.mails.length === before);
  }
  // A mail that should come after all that shows that none was merely late.
  await client.call(target.main, 'POST', '/auth/password/forgot', { body: { email: ada.email } });
  await eventually(() => mailbox.mails.at(-1)?.text.includes('reset-password'));
  const strays = mailbox.mails.filter(({ to, source }) => `${to}${source}`.includes('evil.example'));
  report.judge('nothing of the attacker is in any mail', strays.length === 0, strays[0]?.source);
}

function judgeMail({ to, source, text }, owner, report, what) {
  const links = text.match(/https?:\/\/[^\s]+/g) ?? [];
  const isOurs = links.length > 0 && links.every((link) => link.startsWith(`${APP_URL}/`));
  report.judge(`links after ${what}`, isOurs, links.join(' '));
  const isOwners = to.length === 1 && to[0] === owner && !/^(bcc|cc):/im.test(source.split('\r\n\r\n')[0]);
  report.judge(`recipients after ${what}`, isOwners, to.join(' '));
}
