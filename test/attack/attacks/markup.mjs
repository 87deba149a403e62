import { Contract, pathWith, queryOf } from '../contract.mjs';
import { each } from '../client.mjs';
import { Person } from '../people.mjs';

const HTML = '<script>alert(document.domain)</script><img src=x onerror=alert(1)>';
const IS_DATA = /^(application\/(problem\+)?json|application\/jsonl|application\/x-ndjson|text\/event-stream)/;

/** Markup that is stored wherever it can be, and read by every route: it comes as data that no browser runs. */
export async function storeMarkup({ target, report }) {
  const contract = new Contract(target.contract);
  const ada = await Person.register(target);
  const ids = await withMarkup(ada);
  const reads = contract.operations.filter(({ method, path }) => method === 'GET' && !path.startsWith('/health'));
  let shown = 0;
  await each(reads, 4, async (operation) => {
    const needed = operation.query.filter((parameter) => parameter.required).map(({ name }) => [name, ids[name]]);
    const path = pathWith(operation.path, { ...ids, receipt_id: ids.project_id }) + queryOf(Object.fromEntries(needed));
    const answer = await ada.call('GET', path, { headers: { accept: 'text/html,*/*' } });
    if (answer.text.includes('<script>')) shown += 1;
    report.judge(`GET ${operation.path}`, isHarmless(answer), { ...answer, text: JSON.stringify(answer.headers) });
  });
  report.judge(`the markup is in what is read (${shown} routes)`, shown >= 8);
  await reflected(ada, report);
  for (const path of ['/docs', '/docs/errors']) {
    const { headers } = await target.client.call(target.main, 'GET', path);
    const policy = headers['content-security-policy'] ?? '';
    const scripts = /script-src ([^;]*)/.exec(policy)?.[1] ?? "'self'";
    const isStrict = policy.includes("default-src 'none'") && scripts === "'self'" && !policy.includes('unsafe-eval');
    report.judge(`the policy of ${path}`, isStrict && policy.includes("frame-ancestors 'none'"), policy);
  }
}

async function withMarkup(ada) {
  await ada.must('PATCH', '/users/me', { body: { display_name: HTML } });
  const project = { name: HTML, description: HTML };
  const { id: project_id } = await ada.must('POST', '/projects', { body: project });
  const prompt = { project_id, name: HTML, content: HTML };
  const { id: prompt_id } = await ada.must('POST', '/prompts', { body: prompt });
  const turn = await ada.must('POST', '/chat', { body: { project_id, message: HTML } });
  const session = { title: HTML, metadata: { [HTML]: HTML } };
  await ada.must('PATCH', `/chat/sessions/${turn.session_id}`, { body: session });
  const message_id = turn.assistant_message.id;
  await ada.must('PUT', `/chat/messages/${message_id}/feedback`, { body: { rating: 'down', comment: HTML } });
  await ada.apiKey({ name: HTML });
  await ada.must('GET', '/users/me', { headers: { 'user-agent': HTML } });
  return { project_id, prompt_id, session_id: turn.session_id, message_id, user_id: ada.id };
}

/** What is said of a request in an error is data as well. */
async function reflected(ada, report) {
  const tag = encodeURIComponent(HTML);
  const places = [
    `/${tag}`,
    `/projects/${tag}`,
    `/docs/${tag}`,
    `/projects?limit=${tag}`,
    `/projects?${tag}=1`,
    `/auth/login/${tag}`,
  ];
  for (const path of places) {
    const answer = await ada.call('GET', path, { headers: { accept: 'text/html' } });
    report.judge(`in an error: ${path.slice(0, 40)}`, isHarmless(answer), JSON.stringify(answer.headers));
  }
  for (const body of [{ [HTML]: 1 }, { name: { [HTML]: HTML } }, { name: [HTML] }]) {
    const answer = await ada.call('POST', '/projects', { body });
    report.judge('in a refused body', isHarmless(answer) && answer.status === 422, answer);
  }
}

function isHarmless({ status, headers, text }) {
  if (text === '') return status === 204;
  const policy = headers['content-security-policy'] ?? '';
  const isClosed = policy.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'");
  return IS_DATA.test(headers['content-type'] ?? '') && headers['x-content-type-options'] === 'nosniff' && isClosed;
}
