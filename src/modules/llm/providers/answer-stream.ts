import type { Transform } from 'node:stream';
import type { Dispatcher } from 'undici';
import { LlmError } from '../public/llm-error.js';
import type { LlmEvent } from '../public/llm-provider.js';
import { AnswerBody, type Headers } from './answer-body.js';
import { AnswerDecoder } from './answer-decoder.js';
import type { AnswerDialect } from './answer-dialect.js';
import { inflationOf } from './inflation.js';
import { textOrNull } from './json-fields.js';
import { brokenOff } from './openai-errors.js';
import { UnreadEvents } from './unread-events.js';

/** Text that may wait for a slow reader before the socket is paused. */
const MAX_UNREAD_CHARS = 64 * 1024;
/** Of a compressed body, for each character of the largest answer: a frame of some 250 bytes for each token, and more. */
const MAX_INFLATION = 128;
/** How long the socket of a finished answer may stay open for its last bytes, so that it can be used again. */
const DRAIN_MS = 1000;
/** How long an answer that has told its finish reason may leave its end open: until usage is told, and from then on. */
const USAGE_AWAITED_MS = 2000;
const END_AWAITED_MS = 250;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * One streaming call. It hangs on undici's dispatch directly: what one read of the socket brings is one event, what
 * comes while the reader is busy joins it, and an abort reaches the reader at once, wherever the request is.
 * One reader, one `next` at a time; the request is sent by the first.
 */
export class AnswerStream implements AsyncIterableIterator<LlmEvent>, Dispatcher.DispatchHandler {
  private readonly decoder: AnswerDecoder;
  private body: AnswerBody | null = null;
  private inflation: Transform | null = null;
  private isAnnounced = false;
  private readonly unread = new UnreadEvents();
  private waiting: { resolve: (result: IteratorResult<LlmEvent>) => void; reject: (error: unknown) => void } | null =
    null;
  private controller: Dispatcher.DispatchController | null = null;
  /** Until it is sent: it carries the whole conversation. */
  private request: Dispatcher.DispatchOptions | null;
  /** Nothing more will be queued. */
  private isSettled = false;
  private failure: { readonly error: unknown } | null = null;
  private status: number | null = null;
  private hasEnded = false;
  /** For the end of an answer that has told its finish reason, then for the end of its socket. */
  private endTimer: NodeJS.Timeout | null = null;
  private isUsageAwaited = true;

  constructor(
    private readonly dispatcher: Dispatcher,
    request: Dispatcher.DispatchOptions,
    private readonly dialect: AnswerDialect,
    private readonly signal: AbortSignal,
    /** Of what the provider sends that brings no event. */
    private readonly onSignOfLife: (() => void) | undefined,
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
    this.unread.forget();
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
    this.onSignOfLife?.();
    this.body = new AnswerBody(this.decoder, this.dialect, status, headers);
    if (!this.body.isError) this.decoder.generationId = textOrNull(headers['x-generation-id']);
    this.inflation = inflationOf(headers, MAX_INFLATION * this.dialect.maxAnswerChars, {
      onData: (chunk) => this.onBody(chunk),
      onError: (error) => this.fail(error),
    });
    this.announce();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isSettled) return;
    if (this.inflation === null) this.onBody(chunk);
    else this.inflation.write(chunk);
  }

  onResponseEnd(): void {
    this.hasEnded = true;
    this.onEnd(new Error('The stream ended without a finish reason'));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.hasEnded = true;
    this.onEnd(error);
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

  private onBody(chunk: Buffer): void {
    if (this.isSettled) return;
    this.body?.read(chunk);
    this.pump();
  }

  /** @param cause why there is no more, for an answer that is not whole */
  private onEnd(cause: Error): void {
    if (this.isSettled) this.stopWaiting();
    else if (this.inflation === null) this.endBody(cause);
    else this.inflation.once('end', () => this.endBody(cause)).end();
  }

  private readonly onAbort = (): void => {
    const reason: unknown = this.signal.reason;
    // A deadline is no failure of an answer that has said that it is over.
    if (this.decoder.hasFinishReason && reason instanceof LlmError) {
      this.complete();
      return;
    }
    this.unread.forget();
    this.fail(reason);
  };

  /** Hands on what the decoder has gathered from one read of the socket. */
  private pump(): void {
    const { decoder } = this;
    const reasoning = decoder.takeReasoning();
    const text = decoder.takeText();
    this.announce();
    if (text !== '' || reasoning !== '') this.emit(reasoning, text);
    else this.onSignOfLife?.();
    if (decoder.failure !== null) this.fail(decoder.failure);
    else if (decoder.isCut) this.complete();
    else if (decoder.isDone) this.completeOrFail(new Error('The stream is done but holds no answer'));
    else if (decoder.hasFinishReason) this.awaitEnd();
  }

  private endBody(cause: Error): void {
    if (this.isSettled) return;
    const isCutOff = 'code' in cause;
    if (this.body === null || (this.body.isCompletion && isCutOff)) {
      this.fail(brokenOff(cause, this.status));
      return;
    }
    this.body.end();
    this.pump();
    if (!this.isSettled) this.completeOrFail(cause);
  }

  private completeOrFail(cause: Error): void {
    // A finished completion may lack the reason; a stream may not, else a cut off answer would pass for a whole one.
    if (this.decoder.isComplete || this.body?.isCompletion === true) this.complete();
    else this.fail(brokenOff(cause, this.status));
  }

  private complete(): void {
    if (this.isSettled) return;
    this.unread.closing = this.decoder.closing();
    this.settle();
    this.wakeWithUnread();
    if (this.decoder.isCut) this.hangUp();
    else this.drain();
  }

  /** Some servers leave the socket open behind their last frame. */
  private awaitEnd(): void {
    if (this.endTimer !== null && (!this.isUsageAwaited || !this.decoder.hasUsage)) return;
    this.stopWaiting();
    this.isUsageAwaited = !this.decoder.hasUsage;
    this.endTimer = setTimeout(() => this.complete(), this.isUsageAwaited ? USAGE_AWAITED_MS : END_AWAITED_MS);
  }

  /** As early as can be: a call that is stopped before its first word is asked after by this id. */
  private announce(): void {
    const { generationId } = this.decoder;
    if (this.isAnnounced || generationId === null || this.isSettled) return;
    this.isAnnounced = true;
    this.unread.generation = { type: 'generation', id: generationId };
    this.wakeWithUnread();
  }

  private emit(reasoning: string, text: string): void {
    // Whoever waits has taken all that came before.
    if (this.waiting !== null && reasoning === '') {
      this.wake({ type: 'text-delta', text });
      return;
    }
    this.unread.add(reasoning, text);
    this.wakeWithUnread();
    if (this.unread.chars > MAX_UNREAD_CHARS) this.controller?.pause();
  }

  private takeUnread(): LlmEvent | undefined {
    const event = this.unread.take();
    if (this.unread.chars === 0 && this.controller?.paused === true) this.controller.resume();
    return event;
  }

  private wakeWithUnread(): void {
    if (this.waiting === null) return;
    const event = this.takeUnread();
    if (event !== undefined) this.wake(event);
  }

  private wake(event: LlmEvent): void {
    const waiting = this.waiting;
    this.waiting = null;
    waiting?.resolve({ done: false, value: event });
  }

  private fail(error: unknown): void {
    if (this.isSettled) return;
    this.settle();
    // What was used is told also when the answer is not whole.
    if (!this.signal.aborted) this.unread.closing = this.decoder.usageEvents();
    this.failure = { error };
    this.wakeWithUnread();
    const waiting = this.waiting;
    this.waiting = null;
    if (waiting !== null) {
      this.failure = null;
      waiting.reject(error);
    }
    this.hangUp();
  }

  private settle(): void {
    this.isSettled = true;
    this.stopWaiting();
    this.inflation?.destroy();
    this.signal.removeEventListener('abort', this.onAbort);
  }

  private hangUp(): void {
    this.stopWaiting();
    if (!this.hasEnded) this.controller?.abort(new Error('The reader has left'));
  }

  private drain(): void {
    if (this.hasEnded) return;
    if (this.controller?.paused === true) this.controller.resume();
    this.endTimer = setTimeout(() => this.hangUp(), DRAIN_MS).unref();
  }

  private stopWaiting(): void {
    if (this.endTimer !== null) clearTimeout(this.endTimer);
    this.endTimer = null;
  }
}
