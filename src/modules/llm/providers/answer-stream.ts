import { isUtf8 } from 'node:buffer';
import { StringDecoder } from 'node:string_decoder';
import type { Dispatcher } from 'undici';
import type { LlmEvent } from '../public/llm-provider.js';
import { AnswerDecoder, type AnswerDialect } from './answer-decoder.js';
import { badResponse, disconnected, networkError, statusError } from './openai-errors.js';

type Headers = Record<string, string | string[] | undefined>;
type BodyKind = 'frames' | 'completion' | 'error';

/** Text that may wait for a slow reader before the socket is paused. */
const MAX_UNREAD_CHARS = 64 * 1024;
/** Error bodies are read this far; beyond, the status alone tells. */
export const MAX_ERROR_BYTES = 64 * 1024;
/** How long the socket of a finished answer may stay open for its last bytes, so that it can be used again. */
const DRAIN_MS = 1000;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * One streaming call. It hangs on undici's dispatch directly: what one read of the socket brings is one event, what
 * comes while the reader is busy joins it, and an abort reaches the reader at once, wherever the request is.
 * One reader, one `next` at a time; the request is sent by the first.
 */
export class AnswerStream implements AsyncIterableIterator<LlmEvent>, Dispatcher.DispatchHandler {
  private readonly decoder: AnswerDecoder;
  /** From the first read on that ends within a character; most answers never need it. */
  private utf8: StringDecoder | null = null;
  private unreadText = '';
  /** What is told before the first text, until it is taken; undefined as long as there is no text. */
  private opening: LlmEvent | null | undefined;
  private closing: LlmEvent[] = [];
  private waiting: { resolve: (result: IteratorResult<LlmEvent>) => void; reject: (error: unknown) => void } | null =
    null;
  private controller: Dispatcher.DispatchController | null = null;
  /** Until it is sent: it carries the whole conversation. */
  private request: Dispatcher.DispatchOptions | null;
  /** Nothing more will be queued. */
  private isSettled = false;
  private failure: { readonly error: unknown } | null = null;
  private status: number | null = null;
  private kind: BodyKind = 'frames';
  private retryAfter: { readonly seconds: unknown; readonly milliseconds: unknown } | null = null;
  private body: Buffer[] = [];
  private bodyBytes = 0;
  private hasEnded = false;
  private drainTimer: NodeJS.Timeout | null = null;

  constructor(
    private readonly dispatcher: Dispatcher,
    request: Dispatcher.DispatchOptions,
    private readonly dialect: AnswerDialect,
    private readonly signal: AbortSignal,
  ) {
    this.request = request;
    this.decoder = new AnswerDecoder(dialect);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    if (this.request !== null) this.start(this.request);
    const event = this.takeUnread();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.failure !== null) {
      const { error } = this.failure;
      this.failure = null;
      return Promise.reject(error as Error);
    }
    if (this.isSettled) return Promise.resolve(END);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  /** The reader leaves: the socket is closed, since a provider goes on writing (and charging) otherwise. */
  return(): Promise<IteratorResult<LlmEvent>> {
    this.request = null;
    this.forgetUnread();
    if (!this.isSettled) {
      this.settle();
      this.hangUp();
    }
    return Promise.resolve(END);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isSettled) this.hangUp();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200 || this.isSettled) return;
    this.status = status;
    // undici keeps them until the answer ends, and with them all that came in the same read.
    controller.rawHeaders = null;
    const type = String(headers['content-type'] ?? '').toLowerCase();
    if (status !== 200) {
      this.kind = 'error';
      this.retryAfter = { seconds: headers['retry-after'], milliseconds: headers['retry-after-ms'] };
    } else if (isEncoded(headers)) this.fail(badResponse('The body is compressed although identity was asked for'));
    else if (type.startsWith('text/event-stream')) this.kind = 'frames';
    else if (type.startsWith('application/json')) this.kind = 'completion';
    else this.fail(badResponse(`The content type is ${type.slice(0, 100)}`));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isSettled) return;
    if (this.kind === 'frames') {
      this.decoder.feed(this.textOf(chunk));
      this.pump();
      return;
    }
    this.body.push(chunk);
    this.bodyBytes += chunk.length;
    if (this.kind === 'error') {
      if (this.bodyBytes > MAX_ERROR_BYTES) this.fail(this.refusal());
    } else if (this.bodyBytes > maxCompletionBytes(this.dialect)) {
      this.fail(badResponse('The completion is too large'));
    }
  }

  onResponseEnd(): void {
    this.hasEnded = true;
    this.stopDraining();
    if (this.isSettled) return;
    if (this.kind === 'error') {
      this.fail(this.refusal());
    } else if (this.kind === 'completion') {
      this.decoder.readCompletion(this.bodyText());
      this.pump();
    } else {
      this.endFrames(new Error('The stream ended without a finish reason'));
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.hasEnded = true;
    this.stopDraining();
    if (this.isSettled) return;
    if (this.status !== null && this.kind === 'frames') this.endFrames(error);
    else if (this.status !== null && this.kind === 'error') this.fail(this.refusal());
    else this.fail(networkError(error, this.status));
  }

  private start(request: Dispatcher.DispatchOptions): void {
    this.request = null;
    if (this.signal.aborted) {
      this.onAbort();
      return;
    }
    this.signal.addEventListener('abort', this.onAbort, { once: true });
    this.dispatcher.dispatch(request, this);
  }

  private textOf(chunk: Buffer): string {
    if (this.utf8 === null && isUtf8(chunk)) return chunk.toString('utf8');
    this.utf8 ??= new StringDecoder('utf8');
    return this.utf8.write(chunk);
  }

  private readonly onAbort = (): void => {
    this.forgetUnread();
    this.fail(this.signal.reason);
  };

  /** Hands on what the decoder has gathered from one read of the socket. */
  private pump(): void {
    const text = this.decoder.takeText();
    if (text !== '') this.emitText(text);
    if (this.decoder.failure !== null) this.fail(this.decoder.failure);
    else if (this.decoder.isCut) this.complete();
    else if (this.decoder.isDone) this.completeOrFail(new Error('The stream is done but holds no answer'));
  }

  private endFrames(cause: Error): void {
    this.decoder.end(this.utf8?.end() ?? '');
    this.pump();
    if (!this.isSettled) this.completeOrFail(cause);
  }

  private completeOrFail(cause: Error): void {
    // A finished completion may lack the reason; a stream may not, else a cut off answer would pass for a whole one.
    if (this.decoder.isComplete || this.kind === 'completion') this.complete();
    else this.fail(networkErrorOr(cause, this.status));
  }

  private complete(): void {
    this.settle();
    this.closing = this.decoder.closing();
    if (this.waiting !== null) {
      const event = this.takeUnread();
      if (event !== undefined) this.wake(event);
    }
    if (this.decoder.isCut) this.hangUp();
    else this.drain();
  }

  private emitText(text: string): void {
    if (this.opening === undefined) this.opening = this.generation();
    if (this.waiting !== null && this.opening === null) {
      this.wake({ type: 'text-delta', text });
      return;
    }
    this.unreadText += text;
    if (this.waiting !== null) this.wake(this.takeUnread() as LlmEvent);
    if (this.unreadText.length > MAX_UNREAD_CHARS) this.controller?.pause();
  }

  private generation(): LlmEvent | null {
    const { generationId } = this.decoder;
    return generationId === null ? null : { type: 'generation', id: generationId };
  }

  private takeUnread(): LlmEvent | undefined {
    if (this.opening != null) {
      const { opening } = this;
      this.opening = null;
      return opening;
    }
    if (this.unreadText === '') return this.closing.shift();
    const text = this.unreadText;
    this.unreadText = '';
    if (this.controller?.paused === true) this.controller.resume();
    return { type: 'text-delta', text };
  }

  private forgetUnread(): void {
    this.opening = null;
    this.unreadText = '';
    this.closing = [];
  }

  private wake(event: LlmEvent): void {
    const waiting = this.waiting;
    this.waiting = null;
    waiting?.resolve({ done: false, value: event });
  }

  private fail(error: unknown): void {
    if (this.isSettled) return;
    this.settle();
    const waiting = this.waiting;
    this.waiting = null;
    if (waiting === null) this.failure = { error };
    else waiting.reject(error);
    this.hangUp();
  }

  private settle(): void {
    this.isSettled = true;
    this.signal.removeEventListener('abort', this.onAbort);
  }

  private hangUp(): void {
    this.stopDraining();
    if (!this.hasEnded) this.controller?.abort(new Error('The reader has left'));
  }

  private drain(): void {
    if (this.hasEnded) return;
    if (this.controller?.paused === true) this.controller.resume();
    this.drainTimer = setTimeout(() => this.hangUp(), DRAIN_MS).unref();
  }

  private stopDraining(): void {
    if (this.drainTimer !== null) clearTimeout(this.drainTimer);
    this.drainTimer = null;
  }

  private refusal(): Error {
    return statusError(this.status ?? 0, this.bodyText(), this.retryAfter ?? {}, this.dialect.redact);
  }

  private bodyText(): string {
    return Buffer.concat(this.body).toString('utf8');
  }
}

export function isEncoded(headers: Headers): boolean {
  const encoding = headers['content-encoding'];
  return encoding !== undefined && encoding !== '' && encoding !== 'identity';
}

/** UTF-8 takes up to 3 bytes for a UTF-16 unit, JSON's \uXXXX 6; half of the rest is more than any envelope. */
export function maxCompletionBytes({ maxAnswerChars }: AnswerDialect): number {
  return 6 * maxAnswerChars + 1024 * 1024;
}

function networkErrorOr(cause: Error, status: number | null): Error {
  return 'code' in cause ? networkError(cause, status) : disconnected(cause);
}
