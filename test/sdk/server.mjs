import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What stands in the place of every value of an open enumeration under `/future`. */
export const UNHEARD_OF = 'unheard_of';
const READY = /Parley is ready: (\S+)|"address":"([^"]+)"/;
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 20_000;
/** They belong to one connection. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'host', 'content-length', 'content-encoding'];

/**
 * The built server with its embedded PostgreSQL and the offline model, and a proxy before it. The proxy notes what each PATCH has
 * changed, and plays a later version of the server under `/future`: one with values and fields that today's document does not name.
 */
export class Server {
  /** For each PATCH of a project: the body, and the names of the fields that differ afterwards. */
  patches = [];
  #document;
  #child;
  #proxy;
  #address;

  constructor(document) {
    this.#document = document;
  }

  async start(dataDir) {
    this.#child = spawn(process.execPath, [join(ROOT, 'dist/src/main.js')], {
      cwd: dataDir,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        // As if npm had started it: then it does not outlive a check that is killed.
        npm_lifecycle_event: 'start',
        HOST: '127.0.0.1',
        PORT: '0',
        DATA_DIR: join(dataDir, 'data'),
        LLM_PROVIDER: 'offline',
        BCRYPT_COST: '10',
        REGISTRATIONS_PER_ADDRESS: '1000',
      },
    });
    this.#address = await new Promise((listens, failed) => {
      const lines = [];
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        lines.push(line);
        const [, printed, logged] = READY.exec(line) ?? [];
        if (printed ?? logged) listens(printed ?? logged);
      });
      this.#child.once('close', () => failed(new Error(`the server has ended:\n${lines.slice(-5).join('\n')}`)));
      setTimeout(() => failed(new Error('the server does not start')), START_LIMIT_MS).unref();
    });
    this.#proxy = createServer((request, response) => void this.#forward(request, response));
    await new Promise((done) => this.#proxy.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.#proxy.address().port}`;
  }

  async close() {
    this.#proxy?.close();
    this.#proxy?.closeAllConnections();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('close', done));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await gone;
    clearTimeout(timer);
  }

  async #forward(request, response) {
    try {
      const body = await readAll(request);
      const isFuture = request.url.startsWith('/future/');
      const path = isFuture ? request.url.slice('/future'.length) : request.url;
      const send = () => this.#ask(request.method, path, request.headers, body);
      const answer =
        request.method === 'PATCH' ? await this.#watchPatch(path, request.headers, body, send) : await send();
      const headers = Object.fromEntries([...answer.headers].filter(([name]) => !HOP_BY_HOP.includes(name)));
      response.writeHead(answer.status, headers);
      if (isFuture && headers['content-type']?.includes('json')) {
        response.end(JSON.stringify(toFuture(await answer.json(), openFields(this.#document))));
        return;
      }
      for await (const chunk of answer.body ?? []) response.write(chunk);
      response.end();
    } catch (error) {
      process.stderr.write(`proxy: ${error}\n`);
      response.destroy();
    }
  }

  #ask(method, path, headers, body) {
    const sent = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name) && name !== 'expect');
    return fetch(this.#address + path, { method, headers: sent, ...(body?.length > 0 && { body }) });
  }

  async #watchPatch(path, { authorization }, body, send) {
    const look = async () => (await this.#ask('GET', path, { authorization })).json();
    const before = await look();
    const answer = await send();
    const after = await look();
    const changed = Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]));
    this.patches.push({ body: JSON.parse(body.toString()), changed });
    return answer;
  }
}

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * The names of all fields whose values the document leaves open: an enumeration, or any text. A name that somewhere tells the variants of
 * a union apart is left out.
 */
export function openFields({ components: { schemas } }) {
  const isOpen = ({ anyOf = [] }) => anyOf.length === 2 && anyOf[0].enum !== undefined && anyOf[1].type === 'string';
  const open = new Set(Object.keys(schemas).filter((name) => isOpen(schemas[name])));
  const refs = ({ $ref, anyOf = [] }) => [$ref, ...anyOf.map((part) => part.$ref)];
  const isRefToOpen = (schema) => refs(schema).some((ref) => open.has(ref?.split('/').at(-1)));
  const fields = Object.values(schemas).flatMap(({ properties = {} }) => Object.entries(properties));
  const names = new Set(fields.filter(([, schema]) => isRefToOpen(schema)).map(([name]) => name));
  for (const { discriminator } of Object.values(schemas)) names.delete(discriminator?.propertyName);
  return names;
}

/** The same answer with an unheard-of value in every open field, and with one more field in every object. */
export function toFuture(value, open) {
  if (Array.isArray(value)) return value.map((item) => toFuture(item, open));
  if (value === null || typeof value !== 'object') return value;
  const fields = Object.entries(value).map(([name, inner]) => [
    name,
    open.has(name) && typeof inner === 'string' ? UNHEARD_OF : toFuture(inner, open),
  ]);
  return { ...Object.fromEntries(fields), [UNHEARD_OF]: true };
}
