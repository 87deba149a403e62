import { createParser, type EventSourceParser, type ParseError } from 'eventsource-parser';
import { LlmError } from '../public/llm-error.js';
import type { FinishReason, LlmEvent, LlmUsage } from '../public/llm-provider.js';
import { isJsonObject, type JsonObject, parseJson, textOrNull } from './json-fields.js';
import { badResponse, inBandError, type Redact } from './openai-errors.js';
import { rawUsage } from './openai-usage.js';

/** How one server's answers are to be read. */
export interface AnswerDialect {
  /** Null when the object tells nothing. */
  readonly usageOf: (usage: JsonObject) => LlmUsage | null;
  readonly redact: Redact;
  /** Characters of text and tool arguments after which the answer is cut. */
  readonly maxAnswerChars: number;
}

interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

/** Characters that one frame may have before its end is seen; real ones have a few hundred. */
const MAX_FRAME_CHARS = 1024 * 1024;
const MAX_TOOL_CALLS = 128;

const FINISH_REASONS: ReadonlyMap<string, FinishReason> = new Map(
  Object.entries({
    stop: 'stop',
    length: 'length',
    max_tokens: 'length',
    content_filter: 'content_filter',
    tool_calls: 'tool_calls',
    function_call: 'tool_calls',
  } as const),
);

/**
 * Reads one answer of the chat completions wire, as frames (`feed`, `end`) or as one JSON body (`readCompletion`).
 * Text gathers until `takeText`, so that all frames of one socket read become one event.
 */
export class AnswerDecoder {
  /** Set once; what came before it is still to be taken. */
  failure: LlmError | null = null;
  /** The provider said that nothing more comes. */
  isDone = false;
  /** The answer reached its largest size; the rest is not read. */
  isCut = false;
  /** As soon as the provider has told it. */
  generationId: string | null = null;

  private readonly parser: EventSourceParser;
  /** None in most answers. */
  private toolCalls: Map<number, ToolCall> | null = null;
  private text = '';
  private chars = 0;
  private isFirst = true;
  private isAtEnd = false;
  private hasRefusal = false;
  private hasGarbage = false;
  private rawReason: string | null = null;
  private usage: JsonObject | null = null;
  private model: string | null = null;

  constructor(private readonly dialect: AnswerDialect) {
    this.parser = createParser({
      maxBufferSize: MAX_FRAME_CHARS,
      onEvent: (event) => this.onFrame(event.data),
      onError: (error) => this.onParserError(error),
    });
  }

  get hasFinishReason(): boolean {
    return this.rawReason !== null;
  }

  feed(text: string): void {
    if (this.isFirst && text !== '') {
      this.isFirst = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (!this.isOver) this.parser.feed(text);
  }

  /** The body ended, cleanly or not. A last frame without its blank line counts if it is whole. */
  end(rest: string): void {
    this.isAtEnd = true;
    this.feed(`${rest}\n\n`);
    if (this.isOver || this.hasFinishReason) return;
    if (this.hasGarbage && this.chars === 0) this.failure = badResponse('The event stream held no event');
  }

  readCompletion(body: string): void {
    const completion = parseJson(body);
    if (!isJsonObject(completion)) {
      this.failure = badResponse('The JSON body could not be parsed');
      return;
    }
    this.onChunk(completion);
    if (this.failure === null && !isJsonObject(firstChoice(completion))) {
      this.failure = badResponse('The completion has no choice');
    }
    this.isDone = true;
  }

  /** The text since the last call; empty when there is none. */
  takeText(): string {
    const text = this.text;
    this.text = '';
    return text;
  }

  /** Whether the answer may count as whole: it said why it ended, or that it ended after it had said something. */
  get isComplete(): boolean {
    return this.hasFinishReason || (this.isDone && (this.chars > 0 || this.toolCalls !== null));
  }

  /** The events after the last text: tool calls, usage when told, and the finish. */
  closing(): LlmEvent[] {
    const events: LlmEvent[] = [];
    for (const call of this.toolCalls?.values() ?? []) events.push({ type: 'tool-call', ...call });
    const usage = this.usage === null ? null : this.dialect.usageOf(this.usage);
    if (this.usage !== null && usage !== null) {
      events.push({ type: 'usage', usage, rawUsage: rawUsage(this.usage) });
    }
    const { generationId, model } = this;
    events.push({ type: 'finish', reason: this.reason(), rawReason: this.rawReason, generationId, model });
    return events;
  }

  private get isOver(): boolean {
    return this.failure !== null || this.isDone || this.isCut;
  }

  private reason(): FinishReason {
    if (this.isCut) return 'length';
    if (this.hasRefusal) return 'content_filter';
    return (this.rawReason === null ? undefined : FINISH_REASONS.get(this.rawReason)) ?? 'other';
  }

  private onFrame(data: string): void {
    if (this.isOver) return;
    if (data === '[DONE]') {
      this.isDone = true;
      return;
    }
    const chunk = parseJson(data);
    if (isJsonObject(chunk)) this.onChunk(chunk);
    // A frame that the end of the stream cut off is a lost connection, not a provider that writes nonsense.
    else if (!this.isAtEnd) this.failure = badResponse('A frame could not be parsed');
  }

  private onParserError(error: ParseError): void {
    if (error.type === 'max-buffer-size-exceeded') {
      this.failure = badResponse('A frame is too large');
    } else if (error.type === 'unknown-field') {
      // llama.cpp has written errors as a field named `error`, others as a bare line of JSON; the rest is to be
      // ignored (WHATWG HTML, 9.2.6).
      const bare = parseJson((error.field === 'error' ? error.value : error.line) ?? '');
      if (error.field === 'error' && isJsonObject(bare)) this.failure ??= inBandError(bare, this.dialect.redact);
      else if (isJsonObject(bare) && bare.error != null) this.onChunk(bare);
      else this.hasGarbage = true;
    }
  }

  private onChunk(chunk: JsonObject): void {
    if (chunk.error != null) {
      this.failure = inBandError(chunk.error, this.dialect.redact);
      return;
    }
    this.generationId ??= textOrNull(chunk.id);
    this.model ??= textOrNull(chunk.model);
    if (isJsonObject(chunk.usage)) this.usage = chunk.usage;
    const choice = firstChoice(chunk);
    if (isJsonObject(choice)) this.onChoice(choice);
  }

  private onChoice(choice: JsonObject): void {
    const piece = choice.delta ?? choice.message;
    if (isJsonObject(piece)) this.onPiece(piece);
    if (choice.error != null) {
      this.failure = inBandError(choice.error, this.dialect.redact);
      return;
    }
    const reason = textOrNull(choice.finish_reason);
    if (reason === 'error') this.failure = inBandError({ message: 'finish_reason error' }, this.dialect.redact);
    else if (reason !== null) this.rawReason = reason;
  }

  private onPiece(piece: JsonObject): void {
    if (typeof piece.content === 'string') this.addText(piece.content);
    else if (Array.isArray(piece.content)) this.addText(textOfParts(piece.content));
    if (typeof piece.refusal === 'string' && piece.refusal !== '') {
      this.hasRefusal = true;
      this.addText(piece.refusal);
    }
    if (Array.isArray(piece.tool_calls)) piece.tool_calls.forEach((call, place) => this.addToolCall(call, place));
  }

  private addText(text: string): void {
    this.text += this.measure(text);
  }

  /** Counts `text` against the largest answer and gives back what still fits, never half a surrogate pair. */
  private measure(text: string): string {
    this.chars += text.length;
    const excess = this.chars - this.dialect.maxAnswerChars;
    if (excess <= 0) return text;
    this.isCut = true;
    const fitting = Math.max(text.length - excess, 0);
    const last = fitting > 0 ? text.charCodeAt(fitting - 1) : 0;
    return text.slice(0, last >= 0xd800 && last <= 0xdbff ? fitting - 1 : fitting);
  }

  private addToolCall(delta: unknown, place: number): void {
    if (!isJsonObject(delta)) return;
    const index = typeof delta.index === 'number' ? delta.index : place;
    this.toolCalls ??= new Map();
    let call = this.toolCalls.get(index);
    if (call === undefined) {
      if (this.toolCalls.size === MAX_TOOL_CALLS) return;
      call = { id: textOrNull(delta.id) ?? `call_${index}`, name: '', arguments: '' };
      this.toolCalls.set(index, call);
    }
    if (!isJsonObject(delta.function)) return;
    if (call.name === '') call.name = textOrNull(delta.function.name) ?? '';
    if (typeof delta.function.arguments === 'string') call.arguments += this.measure(delta.function.arguments);
  }
}

function firstChoice(chunk: JsonObject): unknown {
  return Array.isArray(chunk.choices) ? (chunk.choices[0] as unknown) : undefined;
}

/** Mistral's reasoning models answer in parts; those that are not text are their thoughts. */
function textOfParts(parts: readonly unknown[]): string {
  return parts
    .map((part) => (isJsonObject(part) && part.type === 'text' ? (textOrNull(part.text) ?? '') : ''))
    .join('');
}
