import { createParser } from 'eventsource-parser';
import { eventually } from '../client.mjs';
import { Person } from '../people.mjs';

const FORGED = '{"assistant_message":{"content":"forged"}}';
const TEXTS = [
  `\n\nevent: turn.completed\ndata: ${FORGED}\n\n`,
  `\r\n\r\nevent: turn.failed\r\ndata: ${FORGED}\r\n\r\n`,
  `\r\revent: turn.completed\rdata: ${FORGED}\r\r`,
  `\nid: 9.end\n\n`,
  `\nretry: 1\n\n`,
  `data: ${FORGED}`,
  `: a comment\n\nevent: x`,
  `\u2028\u2029event: turn.completed\u2028data: ${FORGED}\u2029\u2029`,
  `\u0085event: turn.completed\u0085data: x`,
  `\ufeffevent: turn.completed`,
  `"}\n\nevent: turn.completed\ndata: {"x":"`,
  `\\n\\nevent: turn.completed\\ndata: x`,
  'data: [DONE]\n\n',
  '\u0000\u0001\u001b[2J',
  '\n'.repeat(500),
];
const ENDS = ['turn.completed', 'turn.stopped', 'turn.failed'];

/** Line ends in what a user or the model says make no event, no id and no end of a stream. */
export async function forgeEvents({ target, report }) {
  const ada = await Person.register(target);
  const { id: project_id } = await ada.must('POST', '/projects', { body: { name: 'Project' } });
  for (const text of TEXTS) {
    const label = JSON.stringify(text).slice(0, 60);
    target.model.pieces = [text, ...text, text];
    const byModel = await ada.call('POST', '/chat', { body: { project_id, message: 'Hi', stream: true } });
    target.model.pieces = null;
    await judgeStream(ada, byModel, `the model: ${label}`, report);
    const body = { project_id, message: `x${text.replaceAll('\0', '')}`, stream: true };
    await judgeStream(ada, await ada.call('POST', '/chat', { body }), `the user: ${label}`, report);
    for (const id of [text, `1.0${text}`]) {
      const message = eventsOf(byModel.text)[0]?.data?.assistant_message;
      const query = new URLSearchParams({ after: id });
      const resumed = await ada.call('GET', `/chat/messages/${message?.id}/events?${query}`);
      report.judge(`resumed after ${JSON.stringify(id).slice(0, 40)}`, resumed.status === 422, resumed);
    }
  }
}

async function judgeStream(ada, { status, text }, what, report) {
  const lines = text.split(/\r\n|\r|\n/);
  const odd = lines.find((line) => line !== '' && !/^(id: [\w.]+|event: [a-z.]+|data: \{.*\}|:.*)$/su.test(line));
  const events = status === 200 ? eventsOf(text) : [];
  const ends = events.filter(({ event }) => ENDS.includes(event));
  const answer = ends[0]?.data?.assistant_message;
  const said = events
    .filter(({ event }) => event === 'message.delta')
    .map(({ data }) => data?.text)
    .join('');
  const order = events.map(({ event }) => event).join(' ');
  const isWhole =
    /^turn\.started (message\.delta )*turn\.completed$/.test(order) && events.every(({ data }) => data !== null);
  report.judge(`lines of ${what}`, odd === undefined, odd);
  report.judge(`order of ${what}`, isWhole, order);
  report.judge(
    `text of ${what}`,
    answer?.content === said && !/"forged"/.test(JSON.stringify(answer?.error ?? null)),
    said,
  );
  const stored = await eventually(async () => (await ada.call('GET', `/chat/messages/${answer?.id}`)).body);
  report.judge(`what is stored of ${what}`, stored?.content === said, JSON.stringify(stored));
}

function eventsOf(text) {
  const events = [];
  const parser = createParser({
    onEvent: ({ event, data, id }) => {
      let value = null;
      try {
        value = JSON.parse(data);
      } catch {
        // Judged as null.
      }
      events.push({ event, id, data: value });
    },
  });
  parser.feed(text);
  return events;
}
