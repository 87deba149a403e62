import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { each } from '../client.mjs';
import { Person } from '../people.mjs';
import { SSRF_SPELLINGS } from '../ssrf-spellings.mjs';

const LIAR = fileURLToPath(new URL('../lying-resolver.mjs', import.meta.url));

/** Addresses of providers that lead behind the firewall: as they are given, and as they are connected to. */
export async function serverSideRequests({ target, report }) {
  const neighbour = await listen();
  try {
    await atTheDoor(target, report);
    await atConnectTime(target, neighbour, report);
    await byAResolverThatLies(target, neighbour, report);
  } finally {
    neighbour.close();
  }
}

async function atTheDoor(target, report) {
  const ada = await Person.register(target);
  const { id } = await ada.must('POST', '/projects', { body: { name: 'Project' } });
  await each(SSRF_SPELLINGS, 8, async ({ name, url: base_url }) => {
    const body = { provider: 'custom', api_key: 'sk-mine', base_url };
    const answer = await ada.call('PUT', `/projects/${id}/provider-key`, { body });
    const isRefused = answer.status === 422 && answer.body.errors.some(({ pointer }) => pointer === '/base_url');
    report.judge(`given: ${name}`, isRefused, answer);
  });
}

/** Addresses that came in before they were refused, as after a change of the rules or of a name: rows are planted. */
async function atConnectTime(target, neighbour, report) {
  const hosts = ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433', '0x7f.1', '127.1'];
  for (const host of hosts) {
    for (const scheme of ['https', 'http']) {
      const url = `${scheme}://${host}:${neighbour.port}/v1`;
      await expectNoCall({ target, server: target.main, neighbour, report }, `stored: ${url}`, url);
    }
  }
}

/** A name that is public when it is given and leads home when it is connected to. */
async function byAResolverThatLies(target, neighbour, report) {
  const server = await target.server('lied-to', {}, ['--import', LIAR]);
  const place = { target, server, neighbour, report };
  await expectNoCall(place, 'rebinding', 'https://first-public.parley-attack.dev:8443/v1', { isGiven: true });
  await expectNoCall(place, 'rebinding, to the port', `https://private.parley-attack.dev:${neighbour.port}/v1`);
  await expectNoCall(place, 'one of two', `https://mixed.parley-attack.dev:${neighbour.port}/v1`);
  await target.retire('lied-to');
}

async function expectNoCall({ target, server, neighbour, report }, what, url, { isGiven = false } = {}) {
  const ada = await Person.register(target, server);
  const { id } = await ada.must('POST', '/projects', { body: { name: 'Project' } });
  const given = isGiven ? url : 'https://1.1.1.1/v1';
  await ada.must('PUT', `/projects/${id}/provider-key`, {
    body: { provider: 'custom', api_key: 'k', base_url: given },
  });
  if (!isGiven) await target.query('update provider_keys set base_url = $2 where project_id = $1', [id, url]);
  const before = neighbour.calls;
  const answer = await ada.call('POST', '/chat', { body: { project_id: id, message: 'Hi' } });
  const isRefused = answer.body?.code === 'provider_address_refused' && neighbour.calls === before;
  report.judge(what, isRefused, { ...answer, text: `${neighbour.calls - before} connections, ${answer.text}` });
}

/** A neighbour of the server's: whoever connects to it is counted and cut off. */
async function listen() {
  const server = createServer((socket) => {
    neighbour.calls += 1;
    socket.destroy();
  });
  const neighbour = { calls: 0, close: () => server.close() };
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  neighbour.port = server.address().port;
  return neighbour;
}
