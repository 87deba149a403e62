import type { Message } from '../message.entity.js';
import type { OpenTurn } from '../turn.js';

/** A position in an answer: which attempt, and how many UTF-16 units of its text come before. Also the id of an event. */
export interface Position {
  readonly attempt: number;
  readonly offset: number;
}

const BLOCK_LENGTH = 1024;

/** Never between the two halves of a character beyond the basic plane: a client would be sent each as a broken one. */
function cutText(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

/** Why a running turn is aborted, as the reason of its `abort`. */
export class TurnAbort extends Error {
  /** `stop`: a user asked. `release`: the instance goes down and hands the turn over. `lost`: another instance has it. */
  constructor(readonly why: 'stop' | 'release' | 'lost') {
    super(`turn aborted: ${why}`);
    this.name = 'TurnAbort';
  }

  static isLost({ reason }: AbortSignal): boolean {
    return reason instanceof TurnAbort && reason.why === 'lost';
  }
}

/**
 * An answer while it is being written: an append-only text that any number of readers follow, each at its own pace.
 * A reader is woken, and then takes what it has not seen; so a slow one holds a number, not a queue.
 */
export class LiveTurn {
  readonly started: Pick<OpenTurn, 'question' | 'answer'>;
  /** Counts how often the answer was begun; when it changes, the text begins anew. */
  attempt: number;
  /** The settled answer, once there is one; null when this instance does not know the end and never will. */
  readonly ended: Promise<Message | null>;
  readonly abort = new AbortController();
  length = 0;
  settled: Message | null | undefined;
  /** When it began here, and when its first text came, on the clock of `performance.now()`. */
  readonly begunAt = performance.now();
  firstTextAt: number | null = null;
  /** Whether somebody waits for the end, not for the text. */
  isAwaited = false;
  /** When it failed: in how many seconds another try makes sense, as far as the provider or we know. */
  retryAfterSeconds: number | undefined;

  /** The text in blocks of about `BLOCK_LENGTH`: a string for each token would cost ten times what it says. */
  private blocks: string[] = [];
  private readonly readers = new Set<() => void>();
  private resolveEnded: (message: Message | null) => void;

  constructor({ question, answer, attempt }: Pick<OpenTurn, 'question' | 'answer' | 'attempt'>) {
    this.started = { question, answer };
    this.attempt = attempt;
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
  }

  /** A settled turn, to be read like a live one. */
  static past(question: Message, answer: Message): LiveTurn {
    const turn = new LiveTurn({ question, answer, attempt: answer.attempt });
    turn.append(answer.content);
    turn.end(answer);
    return turn;
  }

  append(text: string): void {
    if (text === '') return;
    this.firstTextAt ??= performance.now();
    const last = this.blocks.length - 1;
    const block = this.blocks[last];
    // `push` would make room for sixteen more, and so would a spread; most answers have a few.
    if (block === undefined || block.length + text.length > BLOCK_LENGTH) this.blocks = this.blocks.concat(text);
    else this.blocks[last] = block + text;
    this.length += text.length;
    this.wake();
  }

  /** The answer begins anew: what there was of it is void. */
  restart(attempt: number): void {
    this.attempt = attempt;
    this.blocks = [];
    this.length = 0;
    this.wake();
  }

  get hasReaders(): boolean {
    return this.readers.size > 0;
  }

  /** Ends the turn here: with the settled answer, or with null when it goes on elsewhere. */
  end(message: Message | null): void {
    this.settled = message;
    this.resolveEnded(message);
    this.wake();
    this.readers.clear();
  }

  /** The text from an offset on, or as much of it as there is room for. Costs what it returns, not what came before. */
  textFrom(offset: number, maxLength = Infinity): string {
    if (offset >= this.length) return '';
    let index = this.blocks.length;
    let start = this.length;
    while (start > offset) start -= this.blocks[--index]?.length ?? start;
    let text = this.blocks[index]?.slice(offset - start) ?? '';
    while (text.length < maxLength && ++index < this.blocks.length) text += this.blocks[index] ?? '';
    return text.length <= maxLength ? text : cutText(text, maxLength);
  }

  /** Calls `onChange` at once and after each change, until it is unsubscribed or the turn has ended. */
  follow(onChange: () => void): () => void {
    if (this.settled === undefined) this.readers.add(onChange);
    onChange();
    return () => this.readers.delete(onChange);
  }

  private wake(): void {
    for (const reader of this.readers) reader();
  }
}
