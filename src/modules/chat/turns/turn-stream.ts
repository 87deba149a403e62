import { toProblem } from '../../../platform/http/problem.js';
import type { SseStream } from '../../../platform/http/sse.js';
import type { LiveTurn, Position } from '../following/live-turn.js';
import type { Message } from '../message.entity.js';
import { errorOf, presentMessage } from '../messages/message.presenter.js';
import type { Turn, TurnEvent } from '../public/turn-event.dto.js';

const END = 'end';
/**
 * The most text of one delta, in UTF-16 units. For a slow client only one such piece is buffered, not the whole answer.
 */
const PIECE_LENGTH = 16 * 1024;
const EVENT_ID = /^(\d{1,6})\.(\d{1,10}|end)$/;

/** Parses the id of the last event that a client saw; null for an invalid id, `end` when no event follows it. */
export function parseEventId(id: string): Position | typeof END | null {
  const [, attempt, offset] = EVENT_ID.exec(id) ?? [];
  if (attempt === undefined) return null;
  return offset === END ? END : { attempt: Number(attempt), offset: Number(offset) };
}

/**
 * Sends a turn to one client: the events that it has not seen yet, then new ones, then one terminal event. The id of an
 * event is the position in the answer after it, so a client can continue after any id, however the text was cut into
 * deltas.
 * @param seen null: begin with `turn.started`
 */
export function streamTurn(turn: LiveTurn, sse: SseStream, seen: Position | null): () => void {
  const messageId = turn.started.answer.id;
  // An attempt that the client has not seen begins with `turn.restarted`.
  let { attempt, offset } = seen ?? { attempt: turn.attempt, offset: 0 };
  let isBehind = false;
  const send = (end: number | typeof END, data: TurnEvent): void => {
    isBehind = !sse.write({ id: `${attempt}.${end}`, event: data.type, data }) || isBehind;
  };
  const pump = (): void => {
    if (isBehind) return;
    // The client has seen a newer attempt than this instance knows: do not send it the older one again.
    if (turn.attempt < attempt && turn.settled === undefined) return;
    if (attempt !== turn.attempt && turn.settled !== null) {
      ({ attempt } = turn);
      offset = 0;
      send(0, { type: 'turn.restarted', message_id: messageId, attempt });
    }
    let text: string;
    while (!isBehind && attempt === turn.attempt && (text = turn.textFrom(offset, PIECE_LENGTH)) !== '') {
      offset += text.length;
      send(offset, { type: 'message.delta', message_id: messageId, text });
    }
    if (isBehind) return void sse.onDrain(resume);
    if (turn.settled === undefined) return;
    // Without a settled answer the turn continues on another instance: the client reconnects with its last id.
    if (turn.settled !== null) send(END, terminalEvent(turn.settled));
    sse.end();
  };
  const resume = (): void => {
    isBehind = false;
    pump();
  };
  if (seen === null) {
    const { question, answer } = turn.started;
    // The text is sent as deltas, even when all of it is available.
    send(0, { type: 'turn.started', ...presentTurn({ question, answer: { ...answer, content: '' } }) });
  }
  if (isBehind) sse.onDrain(resume);
  return turn.follow(pump);
}

export function presentTurn({ question, answer }: LiveTurn['started']): Turn {
  return {
    session_id: answer.sessionId,
    user_message: presentMessage(question),
    assistant_message: presentMessage(answer),
  };
}

function terminalEvent(answer: Message): TurnEvent {
  const assistant_message = presentMessage(answer);
  if (answer.status === 'stopped') return { type: 'turn.stopped', assistant_message };
  const error = errorOf(answer);
  if (error === null) return { type: 'turn.completed', assistant_message };
  return { type: 'turn.failed', assistant_message, problem: toProblem(error) };
}
