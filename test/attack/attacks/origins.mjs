import { Contract } from '../contract.mjs';
import { each } from '../client.mjs';
import { Person } from '../people.mjs';
import { APP_URL } from '../target.mjs';

const { host } = new URL(APP_URL);
const FOREIGN = [
  'https://evil.example',
  'null',
  `http://${host}`,
  `https://${host}:8443`,
  `https://${host}.evil.example`,
  `https://evil.example/${host}`,
  `https://evil-${host}`,
  `https://x.${host}`,
  `https://${host}@evil.example`,
  `${APP_URL}/`,
  `${APP_URL} https://evil.example`,
  `https://${host.replace('.', 'x')}`,
  '*',
  '',
  'file://',
  'http://localhost',
  'http://127.0.0.1',
];
const NOT_PARAMETERS = [
  '/',
  '//evil.example',
  '//evil.example/',
  '/\\evil.example',
  '/%5cevil.example',
  '/%2f%2fevil.example',
  '/docs//evil.example/..',
  '//evil.example/%2e%2e',
  '/docs/..//evil.example',
  '/https://evil.example',
  '/projects/?next=https://evil.example',
  '/auth/login?redirect=https://evil.example',
  '/docs?url=https://evil.example/x.json',
];

/** Pages of other origins may not read answers, and no address of ours leads to one of theirs. */
export async function crossOrigins({ target, report, some }) {
  const contract = new Contract(target.contract);
  const ada = await Person.register(target);
  const paths = [...new Set(contract.operations.map(({ path }) => path))];
  const asks = paths.flatMap((path) => FOREIGN.map((origin) => [path, origin]));
  await each(some(asks), 12, async ([path, origin]) => {
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    const preflight = await target.client.call(target.main, 'OPTIONS', path, { headers });
    report.judge(`preflight ${path} from ${origin}`, isClosedTo(origin, preflight), JSON.stringify(preflight.headers));
  });
  for (const origin of FOREIGN) {
    for (const path of ['/projects', '/users/me', '/nowhere', '/openapi.json']) {
      const answer = await ada.call('GET', path, { headers: { origin } });
      report.judge(`GET ${path} from ${origin}`, isClosedTo(origin, answer), JSON.stringify(answer.headers));
    }
  }
  const ours = await ada.call('GET', '/projects', { headers: { origin: APP_URL } });
  const { 'access-control-allow-origin': allowed, 'access-control-allow-credentials': credentials } = ours.headers;
  report.judge(
    'our own origin, without cookies',
    allowed === APP_URL && credentials === undefined,
    JSON.stringify(ours.headers),
  );
  await redirects(target, ada, report);
}

function isClosedTo(origin, { status, headers }) {
  const allowed = headers['access-control-allow-origin'];
  return status !== 0 && allowed !== '*' && (allowed === undefined || (allowed === APP_URL && origin !== APP_URL));
}

async function redirects(target, ada, report) {
  const said = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'gopher',
    'x-original-url': '/users/me',
    referer: 'https://evil.example',
  };
  for (const path of NOT_PARAMETERS) {
    for (const headers of [{ host: 'evil.example' }, said]) {
      const answer = await ada.call('GET', path, { headers });
      const isAway = answer.status > 299 && answer.status < 400;
      const names = (answer.headers.location ?? '') + (answer.status < 300 ? answer.text : '');
      report.judge(`redirect by ${path}`, !isAway && !names.includes('evil.example'), answer);
    }
  }
}
