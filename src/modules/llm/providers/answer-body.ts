import { isUtf8 } from 'node:buffer';
import { StringDecoder } from 'node:string_decoder';
import type { AnswerDecoder } from './answer-decoder.js';
import { type AnswerDialect, maxBodyChars } from './answer-dialect.js';
import type { LlmError } from '../public/llm-error.js';
import { badResponse, type RetryHeaders, statusError } from './openai-errors.js';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;
type Kind = 'frames' | 'completion' | 'error' | 'unknown';

/** Error bodies are read this far; beyond, the status alone tells. */
export const MAX_ERROR_BYTES = 64 * 1024;
const FIELD_OF_FRAME = /^(?:data|event|id|retry|error)?:/;
const MAX_FIELD_CHARS = 6;
/** Blanks before the first character of a body that says nothing of its kind. */
const MAX_BLANKS = 64 * 1024;

/**
 * The body of one response, read into a decoder. What it is, is told by the status and the content type; where those say
 * nothing of use, by its first characters, as servers send frames under any type or none.
 */
export class AnswerBody {
  private kind: Kind;
  /** Of errors only: what is kept here is kept for each open stream. */
  private readonly retryAfter: RetryHeaders | null;
  private readonly type: string;
  /** From the first read on that ends within a character; most answers never need it. */
  private utf8: StringDecoder | null = null;
  private chunks: Buffer[] = [];
  private bytes = 0;
  private start = '';

  constructor(
    private readonly decoder: AnswerDecoder,
    private readonly dialect: AnswerDialect,
    private readonly status: number,
    headers: Headers,
  ) {
    this.type = String(headers['content-type'] ?? '').slice(0, 100);
    const isFrames = this.type.toLowerCase().startsWith('text/event-stream');
    if (isSuccess(status)) this.kind = isFrames ? 'frames' : 'unknown';
    else this.kind = 'error';
    this.retryAfter = this.kind === 'error' ? retryHeaders(headers) : null;
  }

  get isError(): boolean {
    return this.kind === 'error';
  }

  get isCompletion(): boolean {
    return this.kind === 'completion';
  }

  read(chunk: Buffer): void {
    if (this.kind === 'frames') this.decoder.feed(this.textOf(chunk));
    else if (this.kind === 'unknown') this.recognise(chunk);
    else this.keep(chunk);
  }

  /** The body has ended; frames may also have been cut off. */
  end(): void {
    if (this.kind === 'frames') this.decoder.end(this.utf8?.end() ?? '');
    else if (this.kind === 'error') this.decoder.fail(this.refusal());
    else if (this.kind === 'completion') this.decoder.readCompletion(this.keptText());
    else if (this.start.trim() !== '') this.decoder.fail(this.unreadable());
  }

  private recognise(chunk: Buffer): void {
    const text = this.start + this.textOf(chunk);
    this.start = text;
    // A byte order mark is blank as well.
    const start = text.trimStart();
    if (start === '') {
      if (text.length > MAX_BLANKS) this.decoder.fail(this.unreadable());
      return;
    }
    if (start.startsWith('{') || start.startsWith('[')) {
      this.kind = 'completion';
      this.start = '';
      this.keep(chunk.subarray(chunk.indexOf(start.charAt(0))));
    } else if (FIELD_OF_FRAME.test(start)) {
      this.kind = 'frames';
      this.start = '';
      this.decoder.feed(text);
    } else if (start.length >= MAX_FIELD_CHARS) {
      this.decoder.fail(this.unreadable());
    }
  }

  private keep(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.kind === 'error') {
      if (this.bytes > MAX_ERROR_BYTES) this.decoder.fail(this.refusal());
    } else if (this.bytes > maxBodyChars(this.dialect)) {
      this.decoder.fail(badResponse('The completion is too large'));
    }
  }

  private textOf(chunk: Buffer): string {
    if (this.utf8 === null && isUtf8(chunk)) return chunk.toString('utf8');
    this.utf8 ??= new StringDecoder('utf8');
    return this.utf8.write(chunk);
  }

  private keptText(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  private refusal(): LlmError {
    return statusError(this.status, this.keptText(), this.retryAfter ?? {}, this.dialect.redact);
  }

  private unreadable(): LlmError {
    return badResponse(`The content type is ${this.type}`, this.status);
  }
}

/** Whether a response of this status has an answer in its body. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300 && status !== 204 && status !== 205;
}

export function retryHeaders(headers: Headers): RetryHeaders {
  return { seconds: headers['retry-after'], milliseconds: headers['retry-after-ms'] };
}
