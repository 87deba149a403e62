import { createParser, type EventSourceParser, type ParseError } from 'eventsource-parser';
import type { LlmError } from '../public/llm-error.js';
import type { FinishReason, LlmEvent } from '../public/llm-provider.js';
import { type AnswerDialect, firstChoice, maxBodyChars } from './answer-dialect.js';
import { errorIn } from './error-words.js';
import { finishWordOf, meaningOf } from './finish-reasons.js';
import { isJsonObject, type JsonObject, parseJson, textOrNull } from './json-fields.js';
import { badResponse, inBandError } from './openai-errors.js';
import { rawUsage } from './openai-usage.js';
import { OpeningThought, reasoningOf, reasoningOfPart } from './reasoning.js';
import { ToolCallPieces } from './tool-call-pieces.js';

/**
 * Reads one answer of the chat completions wire, as frames (`feed`, `end`) or as one JSON body (`readCompletion`).
 * Text and reasoning gather until they are taken, so that all frames of one socket read become one event of each.
 * Once a finish reason has come, nothing that follows makes the answer a failure.
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
  private toolCalls: ToolCallPieces | null = null;
  /** Until the answer is seen to begin. */
  private opening: OpeningThought | null = new OpeningThought();
  private text = '';
  private chars = 0;
  private reasoning = '';
  private reasoningChars = 0;
  private isFirst = true;
  private isAtEnd = false;
  private hasRefusal = false;
  private hasGarbage = false;
  private rawReason: string | null = null;
  private usage: JsonObject | null = null;
  private model: string | null = null;

  constructor(private readonly dialect: AnswerDialect) {
    this.parser = createParser({
      maxBufferSize: maxBodyChars(dialect),
      onEvent: ({ data, event }) => this.onFrame(data, event),
      onError: (error) => this.onParserError(error),
    });
  }

  get hasFinishReason(): boolean {
    return this.rawReason !== null;
  }

  get hasUsage(): boolean {
    return this.usage !== null;
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
    this.endText();
    if (this.hasGarbage && !this.isOver && this.chars === 0) this.fail(badResponse('The event stream held no event'));
  }

  readCompletion(body: string): void {
    const parsed = parseJson(body);
    const completion: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
    if (!isJsonObject(completion)) {
      this.fail(badResponse('The JSON body could not be parsed'));
      return;
    }
    this.onChunk(completion);
    if (!isJsonObject(firstChoice(completion))) this.fail(badResponse('The completion has no choice'));
    this.endText();
    this.isDone = true;
  }

  /** Ends the answer with an error, unless it has ended well or with another error before. */
  fail(error: LlmError): void {
    this.endText();
    if (!this.hasFinishReason) this.failure ??= error;
  }

  /** The text since the last call; empty when there is none. */
  takeText(): string {
    const { text } = this;
    this.text = '';
    return text;
  }

  /** The reasoning since the last call; empty when there is none. */
  takeReasoning(): string {
    const { reasoning } = this;
    this.reasoning = '';
    return reasoning;
  }

  /** Whether the answer may count as whole: it said why it ended, or that it ended after it had said something. */
  get isComplete(): boolean {
    return this.hasFinishReason || (this.isDone && (this.chars > 0 || this.toolCalls !== null));
  }

  /** The events after the last text: tool calls, usage when told, and the finish. */
  closing(): LlmEvent[] {
    const { generationId, model, rawReason } = this;
    const finish: LlmEvent = { type: 'finish', reason: this.reason(), rawReason, generationId, model };
    return [...(this.toolCalls?.toEvents() ?? []), ...this.usageEvents(), finish];
  }

  /** The usage as far as it was told, as one event or none. */
  usageEvents(): LlmEvent[] {
    const usage = this.usage === null ? null : this.dialect.usageOf(this.usage);
    return this.usage === null || usage === null ? [] : [{ type: 'usage', usage, rawUsage: rawUsage(this.usage) }];
  }

  private get isOver(): boolean {
    return this.failure !== null || this.isDone || this.isCut;
  }

  private reason(): FinishReason {
    if (this.isCut) return 'length';
    if (this.hasRefusal) return 'content_filter';
    const meaning = this.rawReason === null ? 'other' : meaningOf(this.rawReason);
    return meaning === 'failed' ? 'other' : meaning;
  }

  private onFrame(data: string, name: string | undefined): void {
    if (this.isOver) return;
    if (data.startsWith('[DONE]')) {
      this.endText();
      this.isDone = true;
      return;
    }
    const value = parseJson(data);
    if (isJsonObject(value) && (name !== 'error' || errorIn(value) !== undefined)) {
      this.onChunk(value);
    } else if (name === 'error') {
      this.fail(inBandError(value ?? data, this.dialect.redact));
    } else if (Array.isArray(value)) {
      for (const element of value) if (isJsonObject(element)) this.onChunk(element);
    } else if (typeof value === 'string') {
      this.fail(inBandError(value, this.dialect.redact));
    } else if (value !== null && !this.isAtEnd) {
      // A frame that the end of the stream cut off is a lost connection, not a provider that writes nonsense.
      this.fail(badResponse('A frame could not be parsed'));
    }
  }

  private onParserError(error: ParseError): void {
    if (error.type === 'max-buffer-size-exceeded') {
      this.fail(badResponse('A frame is too large'));
      this.isDone = true;
    } else if (error.type === 'unknown-field') {
      // llama.cpp has written errors as a field named `error`, others as a bare line of JSON; the rest is to be
      // ignored (WHATWG HTML, 9.2.6).
      const bare = parseJson((error.field === 'error' ? error.value : error.line) ?? '');
      if (error.field === 'error' && isJsonObject(bare)) this.fail(inBandError(bare, this.dialect.redact));
      else if (isJsonObject(bare) && errorIn(bare) !== undefined) this.onChunk(bare);
      else this.hasGarbage = true;
    }
  }

  private onChunk(chunk: JsonObject): void {
    this.noteUsage(chunk.usage);
    if (isJsonObject(chunk.x_groq)) this.noteUsage(chunk.x_groq.usage);
    const error = errorIn(chunk);
    if (error !== undefined) {
      this.fail(inBandError(error, this.dialect.redact));
      return;
    }
    this.generationId ??= textOrNull(chunk.id);
    this.model ??= textOrNull(chunk.model);
    const choice = firstChoice(chunk);
    if (isJsonObject(choice)) this.onChoice(choice);
  }

  private noteUsage(usage: unknown): void {
    if (isJsonObject(usage) && this.dialect.usageOf(usage) !== null) this.usage = usage;
  }

  private onChoice(choice: JsonObject): void {
    const piece = choice.delta ?? choice.message;
    if (isJsonObject(piece)) this.onPiece(piece);
    this.noteUsage(choice.usage);
    if (choice.error != null) {
      this.fail(inBandError(choice.error, this.dialect.redact));
      return;
    }
    const word = finishWordOf(choice.finish_reason);
    if (word === null) return;
    if (meaningOf(word) === 'failed') {
      this.fail(inBandError({ code: word, message: `The finish reason is ${word}` }, this.dialect.redact));
    } else {
      this.endText();
      this.rawReason = word;
    }
  }

  private onPiece(piece: JsonObject): void {
    this.addReasoning(reasoningOf(piece));
    if (typeof piece.content === 'string') this.addText(piece.content);
    else if (Array.isArray(piece.content)) piece.content.forEach((part) => this.onPart(part));
    if (typeof piece.refusal === 'string' && piece.refusal !== '') {
      this.hasRefusal = true;
      this.addText(piece.refusal);
    }
    if (!Array.isArray(piece.tool_calls) || piece.tool_calls.length === 0) return;
    this.toolCalls ??= new ToolCallPieces((text) => this.measure(text));
    this.toolCalls.add(piece.tool_calls);
  }

  private onPart(part: unknown): void {
    if (!isJsonObject(part)) return;
    this.addReasoning(reasoningOfPart(part));
    if (part.type === 'text') this.addText(textOrNull(part.text) ?? '');
  }

  private addText(text: string): void {
    this.text += this.measure(this.opening === null ? text : this.withoutThought(this.opening, text));
  }

  private withoutThought(opening: OpeningThought, text: string): string {
    const rest = opening.read(text);
    this.addReasoning(opening.takeThought());
    if (opening.isOver) this.opening = null;
    return rest;
  }

  /** What was held back because it could have become a tag is text after all. */
  private endText(): void {
    if (this.opening === null || this.isCut) return;
    this.text += this.measure(this.opening.end());
    this.addReasoning(this.opening.takeThought());
    this.opening = null;
  }

  private addReasoning(text: string): void {
    if (text === '') return;
    const room = this.dialect.maxAnswerChars - this.reasoningChars;
    this.reasoningChars += text.length;
    this.reasoning += text.slice(0, Math.max(room, 0));
    if (text.length > room) this.isCut = true;
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
}
