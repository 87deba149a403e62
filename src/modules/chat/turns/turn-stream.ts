import { toProblem } from '../../../platform/http/problem.js';
import type { SseStream } from '../../../platform/http/sse.js';
import type { LiveTurn, Position } from '../following/live-turn.js';
import type { Message } from '../message.entity.js';
import { errorOf, presentMessage } from '../messages/message.presenter.js';

const END = 'end';
/** The most text of one delta, in UTF-16 units: what waits for a client that reads slowly is one of these, not an answer. */
const PIECE_LENGTH = 16 * 1024;
const EVENT_ID = /^(\d{1,6})\.(\d{1,10}|end)$/;

/** Reads the id of an event that a client saw last; null when it is not one of ours, `end` when nothing follows it. */
export function parseEventId(id: string): Position | typeof END | null {
  const [, attempt, offset] = EVENT_ID.exec(id) ?? [];
  if (attempt === undefined) return null;
  return offset === END ? END : { attempt: Number(attempt), offset: Number(offset) };
}

/**
 * Sends a turn to one client: what it has not seen yet, then what comes, then one terminal event. The id of an event is
 * the position in the answer after it, so a client continues anywhere by the last id it saw, however the text was cut then.
 * @param seen null begins with `turn.started`
 */
export function streamTurn(turn: LiveTurn, sse: SseStream, seen: Position | null): () => void {
  const messageId = turn.started.answer.id;
  // An attempt that the client has not seen begins with `turn.restarted`.
  let { attempt, offset } = seen ?? { attempt: turn.attempt, offset: 0 };
  let isBehind = false;
  const send = (end: number | typeof END, event: string, data: unknown): void => {
    isBehind = !sse.write({ id: `${attempt}.${end}`, event, data }) || isBehind;
  };
  const pump = (): void => {
    if (isBehind) return;
    // The client has seen more of the turn than this instance knows yet: it must not hear of an older attempt again.
    if (turn.attempt < attempt && turn.settled === undefined) return;
    if (attempt !== turn.attempt && turn.settled !== null) {
      ({ attempt } = turn);
      offset = 0;
      send(0, 'turn.restarted', { message_id: messageId, attempt });
    }
    let text: string;
    while (!isBehind && attempt === turn.attempt && (text = turn.textFrom(offset, PIECE_LENGTH)) !== '') {
      offset += text.length;
      send(offset, 'message.delta', { message_id: messageId, text });
    }
    if (isBehind) return void sse.onDrain(resume);
    if (turn.settled === undefined) return;
    // Without a settled answer the turn goes on elsewhere: the client comes back with its last id.
    if (turn.settled !== null) send(END, ...terminalEvent(turn.settled));
    sse.end();
  };
  const resume = (): void => {
    isBehind = false;
    pump();
  };
  if (seen === null) {
    const { question, answer } = turn.started;
    // The text comes as deltas, also when all of it is there.
    send(0, 'turn.started', presentTurn({ question, answer: { ...answer, content: '' } }));
  }
  if (isBehind) sse.onDrain(resume);
  return turn.follow(pump);
}

export function presentTurn({ question, answer }: LiveTurn['started']): {
  session_id: string;
  user_message: ReturnType<typeof presentMessage>;
  assistant_message: ReturnType<typeof presentMessage>;
} {
  return {
    session_id: answer.sessionId,
    user_message: presentMessage(question),
    assistant_message: presentMessage(answer),
  };
}

function terminalEvent(answer: Message): [event: string, data: unknown] {
  const assistant_message = presentMessage(answer);
  if (answer.status === 'stopped') return ['turn.stopped', { assistant_message }];
  const error = errorOf(answer);
  if (error === null) return ['turn.completed', { assistant_message }];
  return ['turn.failed', { assistant_message, problem: toProblem(error) }];
}
