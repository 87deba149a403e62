import { type Dispatcher, Pool } from 'undici';
import { ERROR_CATALOGUE } from '../../../kernel/errors/error-catalogue.js';
import { LlmError, type LlmErrorCode } from '../public/llm-error.js';
import type { ConnectionCheck, Generation, LlmEvent, LlmModel, LlmUsage } from '../public/llm-provider.js';
import { isSuccess, MAX_ERROR_BYTES, retryHeaders } from './answer-body.js';
import { AnswerDecoder } from './answer-decoder.js';
import { type AnswerDialect, maxBodyChars } from './answer-dialect.js';
import { AnswerStream } from './answer-stream.js';
import { inflated } from './inflation.js';
import { countOrNull, isJsonObject, type JsonObject, parseJson, textOrNull } from './json-fields.js';
import { LearnedRequests, learnFrom, LearningStream } from './learned-requests.js';
import { badResponse, networkError, redactor, statusError, transportCode } from './openai-errors.js';
import { type ChatCall, chatBody } from './openai-request.js';
import type { Lesson } from './request-lessons.js';

export interface WireSettings {
  /** With the version, without the resource: `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Fields that every request to this server carries. */
  readonly extraBody: JsonObject;
  readonly extraHeaders: Readonly<Record<string, string>>;
  readonly usageOf: (usage: JsonObject) => LlmUsage | null;
  readonly connectTimeoutMs: number;
  /** How long the small requests may take, which no deadline decorates. */
  readonly probeTimeoutMs: number;
  readonly maxAnswerChars: number;
  /** Whose connections are used; without it the wire has its own. Whoever made it closes it. */
  readonly dispatcher?: Dispatcher;
  /** What servers have refused so far; without it the wire learns for itself. */
  readonly learned?: LearnedRequests;
}

/** For every dispatcher that carries answers. */
export const SOCKET_OPTIONS = {
  // Longer than undici's 4 s: a new TLS connection costs a turn some 100 ms. Servers that want less say so.
  keepAliveTimeout: 30_000,
  headersTimeout: 0,
  bodyTimeout: 0,
} as const;
const MAX_LIST_BYTES = 16 * 1024 * 1024;
const NOT_THERE: ReadonlySet<LlmErrorCode> = new Set(['model_not_found', 'provider_address_wrong']);

/**
 * A client of the OpenAI chat completions wire, which most model servers speak. Throws `LlmError`, or the signal's
 * reason. It sets no deadline on answers (`WithDeadlines` does) and asks for no compression.
 */
export class OpenAiWire {
  private readonly dispatcher: Dispatcher;
  private readonly origin: string;
  private readonly path: string;
  private readonly headers: Record<string, string>;
  private readonly dialect: AnswerDialect;
  private readonly learned: LearnedRequests;

  constructor(private readonly settings: WireSettings) {
    const base = new URL(settings.baseUrl);
    this.path = base.pathname.replace(/\/$/, '');
    this.origin = base.origin;
    const connect = { timeout: settings.connectTimeoutMs };
    this.dispatcher = settings.dispatcher ?? new Pool(base.origin, { connect, ...SOCKET_OPTIONS });
    this.learned = settings.learned ?? new LearnedRequests();
    this.headers = {
      authorization: `Bearer ${settings.apiKey}`,
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'parley',
      ...settings.extraHeaders,
    };
    this.dialect = {
      usageOf: settings.usageOf,
      redact: redactor(settings.apiKey),
      maxAnswerChars: settings.maxAnswerChars,
    };
  }

  /** @param onSignOfLife told of what the provider sends that brings no event */
  stream(call: ChatCall, signal: AbortSignal, onSignOfLife?: () => void): AsyncIterable<LlmEvent> {
    const place = this.placeOf(call);
    const { dispatcher, dialect, learned } = this;
    return new LearningStream(
      {
        open: (lessons) => new AnswerStream(dispatcher, this.post(call, true, lessons), dialect, signal, onSignOfLife),
        keep: (lessons) => learned.keep(place, lessons),
      },
      learned.find(place),
    );
  }

  async generate(call: ChatCall, signal?: AbortSignal): Promise<Generation> {
    const place = this.placeOf(call);
    for (let lessons = this.learned.find(place); ;) {
      try {
        const body = await this.exchange(this.post(call, false, lessons), maxBodyChars(this.dialect), signal);
        this.learned.keep(place, lessons);
        return this.readCompletion(body);
      } catch (error) {
        lessons = learnFrom(error, lessons);
      }
    }
  }

  /** Whether GET `resource` answers 200 to our key. Never throws; the reason is one line of our own words. */
  async check(resource: string, signal?: AbortSignal): Promise<ConnectionCheck> {
    try {
      await this.getJson(resource, signal);
      return { ok: true };
    } catch (error) {
      return { ok: false, reason: reasonOf(error) };
    }
  }

  async listModels(signal?: AbortSignal): Promise<readonly LlmModel[]> {
    const { data } = await this.getJson('/models', signal);
    if (!Array.isArray(data)) throw badResponse('The list of models is not a list');
    return data.flatMap((model: unknown): LlmModel[] => {
      const id = isJsonObject(model) ? textOrNull(model.id) : null;
      return id === null ? [] : [{ id, contextWindow: contextWindowOf(model as JsonObject) }];
    });
  }

  async close(): Promise<void> {
    if (this.settings.dispatcher === undefined) await this.dispatcher.destroy();
  }

  private readCompletion(body: string): Generation {
    const decoder = new AnswerDecoder(this.dialect);
    decoder.readCompletion(body);
    if (decoder.failure !== null) throw decoder.failure;
    return generationOf(decoder.takeText(), decoder.closing());
  }

  /** Servers differ in what they take, and so do the models of one server. */
  private placeOf({ model }: ChatCall): string {
    return `${this.origin}${this.path} ${model}`;
  }

  private post(call: ChatCall, isStream: boolean, lessons: readonly Lesson[]): Dispatcher.RequestOptions {
    const { origin, headers } = this;
    const path = `${this.path}/chat/completions`;
    const body = chatBody(this.settings.extraBody, call, isStream, lessons);
    if (!isStream) return { origin, method: 'POST', path, headers, body };
    const sized = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
    return { origin, method: 'POST', path, headers: sized, body: sentOnce(body) };
  }

  /** The object at `resource`. */
  async getJson(resource: string, signal?: AbortSignal): Promise<JsonObject> {
    const limit = AbortSignal.timeout(this.settings.probeTimeoutMs);
    const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    const { origin, headers } = this;
    const get: Dispatcher.RequestOptions = { origin, method: 'GET', path: this.path + resource, headers };
    try {
      const value = parseJson(await this.exchange(get, MAX_LIST_BYTES, either));
      if (!isJsonObject(value)) throw badResponse('The JSON body could not be parsed');
      return value;
    } catch (error) {
      if (limit.aborted && signal?.aborted !== true && !(error instanceof LlmError)) {
        throw new LlmError('provider_timeout', { retryable: true, cause: error });
      }
      // Here it is the resource that is not there, as on servers without a list.
      if (error instanceof LlmError && NOT_THERE.has(error.code)) {
        const { providerStatus, cause } = error;
        throw new LlmError('provider_rejected', { providerStatus, retryable: false, cause });
      }
      throw error;
    }
  }

  /** One request and the body of its success. */
  private async exchange(
    request: Dispatcher.RequestOptions,
    maxBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    signal?.throwIfAborted();
    let status: number | null = null;
    try {
      const response = await this.dispatcher.request({ ...request, signal });
      status = response.statusCode;
      if (isSuccess(status)) return await readWhole(response, maxBytes);
      // An error is told by its status; what is too long for its words is not read.
      const words = await readWhole(response, MAX_ERROR_BYTES).catch(() => '');
      throw statusError(status, words, retryHeaders(response.headers), this.dialect.redact);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw error instanceof LlmError ? error : networkError(error, status);
    }
  }
}

/** A body that is let go of as soon as it is sent: undici would keep a string, and a copy of it, until the answer ends. */
function sentOnce(text: string): Dispatcher.DispatchOptions['body'] {
  let unsent: string[] = [text];
  const body: Iterable<string> = {
    [Symbol.iterator]: () => {
      const parts = unsent.values();
      unsent = [];
      return parts;
    },
  };
  // undici takes iterables and documents it; its types leave them out.
  return body as unknown as Dispatcher.DispatchOptions['body'];
}

/** The text of a body, whatever its type is called; throws when it has more than `maxBytes`. */
async function readWhole({ headers, body }: Dispatcher.ResponseData, maxBytes: number): Promise<string> {
  const bytes = await readUpTo(body, maxBytes);
  if (bytes === null) throw badResponse('The body is too large');
  return (await inflated(headers, bytes, maxBytes)).toString('utf8');
}

/** The whole body, or null when it has more than `maxBytes`; the socket is closed then. */
async function readUpTo(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) return null;
  }
  return Buffer.concat(chunks);
}

function generationOf(text: string, closing: readonly LlmEvent[]): Generation {
  const finish = closing.find((event) => event.type === 'finish');
  const told = closing.find((event) => event.type === 'usage');
  return {
    text,
    usage: told?.usage ?? null,
    rawUsage: told?.rawUsage ?? null,
    finishReason: finish?.reason ?? 'other',
    rawFinishReason: finish?.rawReason ?? null,
    generationId: finish?.generationId ?? null,
    model: finish?.model ?? null,
  };
}

/** OpenRouter, vLLM and Groq each have a name for it; OpenAI and Ollama say nothing. */
function contextWindowOf(model: JsonObject): number | null {
  return countOrNull(model.context_length) ?? countOrNull(model.max_model_len) ?? countOrNull(model.context_window);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof LlmError)) return 'The check was cancelled';
  const { title } = ERROR_CATALOGUE[error.code];
  const detail = error.providerStatus === null ? transportCode(error.cause) : `HTTP ${error.providerStatus}`;
  return detail === '' ? title : `${title} (${detail})`;
}
