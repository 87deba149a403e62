import type { Message } from '../message.entity.js';
import type { OpenTurn } from '../turn.js';

/**
 * A position in an answer: the attempt, and the number of UTF-16 units of its text before this position. Also the id of
 * a stream event.
 */
export interface Position {
  readonly attempt: number;
  readonly offset: number;
}

const BLOCK_LENGTH = 1024;

/** Cuts a text to a length, but never inside a surrogate pair: a client would receive two broken characters. */
function cutText(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

/** The reason for which a running turn is aborted. */
export class TurnAbort extends Error {
  /**
   * `stop`: the user asked for it. `release`: the instance shuts down and hands the turn over. `lost`: another instance
   * has the claim.
   */
  constructor(readonly why: 'stop' | 'release' | 'lost') {
    super(`turn aborted: ${why}`);
    this.name = 'TurnAbort';
  }

  static isLost({ reason }: AbortSignal): boolean {
    return reason instanceof TurnAbort && reason.why === 'lost';
  }
}

/**
 * An answer while it is being written: an append-only text that any number of readers follow, each at its own pace. A
 * reader is called after a change and then reads the text that it has not seen, so a slow reader holds only an offset
 * and no queue.
 */
export class LiveTurn {
  readonly started: Pick<OpenTurn, 'question' | 'answer'>;
  /** Counts how often the answer was started. When it changes, the text starts again from nothing. */
  attempt: number;
  /** Resolves to the settled answer; to null when this instance will never learn how the turn ended. */
  readonly ended: Promise<Message | null>;
  readonly abort = new AbortController();
  length = 0;
  settled: Message | null | undefined;
  /** The start of the turn here. Like `firstTextAt`, on the clock of `performance.now()`. */
  readonly begunAt = performance.now();
  firstTextAt: number | null = null;
  /** Whether a request waits for the end and does not read the text. */
  isAwaited = false;
  /** After a failure: the number of seconds until a retry makes sense, if known. */
  retryAfterSeconds: number | undefined;

  /** The text in blocks of about `BLOCK_LENGTH`: one string per token would need ten times the memory of the text. */
  private blocks: string[] = [];
  private readonly readers = new Set<() => void>();
  private resolveEnded: (message: Message | null) => void;

  constructor({ question, answer, attempt }: Pick<OpenTurn, 'question' | 'answer' | 'attempt'>) {
    this.started = { question, answer };
    this.attempt = attempt;
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
  }

  /** A settled turn that can be read like a live one. */
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
    // `push` and spread would reserve room for sixteen more blocks, but most answers have only a few.
    if (block === undefined || block.length + text.length > BLOCK_LENGTH) this.blocks = this.blocks.concat(text);
    else this.blocks[last] = block + text;
    this.length += text.length;
    this.wake();
  }

  /** Starts the answer again. The text so far is discarded. */
  restart(attempt: number): void {
    this.attempt = attempt;
    this.blocks = [];
    this.length = 0;
    this.wake();
  }

  get hasReaders(): boolean {
    return this.readers.size > 0;
  }

  /** Ends the turn on this instance: with the settled answer, or with null when it continues on another instance. */
  end(message: Message | null): void {
    this.settled = message;
    this.resolveEnded(message);
    this.wake();
    this.readers.clear();
  }

  /**
   * The text from an offset on, up to `maxLength`. The cost depends on the returned text, not on the text before it.
   */
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
