import type {
  ConnectionCheck,
  FinishReason,
  Generation,
  LlmEvent,
  LlmMessage,
  LlmModel,
  LlmOptions,
  LlmProvider,
} from '../public/llm-provider.js';

const MODEL = 'offline';

/**
 * No network and no model: the same canned answer to the same question, which shows what a model would have been given.
 * Tokens are words. For trying things out, and for tests of what stands above.
 */
export class OfflineProvider implements LlmProvider {
  readonly name = 'offline';
  readonly defaultModel = MODEL;

  constructor(private readonly delayMs: number) {}

  async generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    signal?.throwIfAborted();
    const { words, reason } = answer(messages, options);
    return {
      text: words.join(''),
      usage: usageOf(messages, words),
      rawUsage: null,
      finishReason: reason,
      rawFinishReason: reason,
      generationId: null,
      model: MODEL,
    };
  }

  async *stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncGenerator<LlmEvent> {
    signal.throwIfAborted();
    const { words, reason } = answer(messages, options);
    for (const [place, text] of words.entries()) {
      if (place > 0 && this.delayMs > 0) await pause(this.delayMs, signal);
      signal.throwIfAborted();
      yield { type: 'text-delta', text };
    }
    yield { type: 'usage', usage: usageOf(messages, words), rawUsage: null };
    yield { type: 'finish', reason, rawReason: reason, generationId: null, model: MODEL };
  }

  async validateConnection(signal?: AbortSignal): Promise<ConnectionCheck> {
    return signal?.aborted === true ? { ok: false, reason: 'The check was cancelled' } : { ok: true };
  }

  async listModels(signal?: AbortSignal): Promise<readonly LlmModel[]> {
    signal?.throwIfAborted();
    return [{ id: MODEL, contextWindow: null }];
  }

  async close(): Promise<void> {}
}

/** Each word with the white space after it, so that they join to the text. */
function answer(messages: readonly LlmMessage[], { params }: LlmOptions): { words: string[]; reason: FinishReason } {
  const words = answerText(messages).match(/\S+\s*/g) ?? [];
  const most = params.max_output_tokens ?? words.length;
  return most < words.length ? { words: words.slice(0, most), reason: 'length' } : { words, reason: 'stop' };
}

function answerText(messages: readonly LlmMessage[]): string {
  const prompts = messages.filter((message) => message.role === 'system').map(textOf);
  const talk = messages.filter((message) => message.role !== 'system');
  const question = talk.at(-1);
  return [
    'Hello from Parley’s offline provider. No model has read this; here is what one would have been given.',
    promptsText(prompts),
    historyText(talk.slice(0, -1)),
    question === undefined ? 'There is no new message.' : `Your new message: “${excerpt(textOf(question), 200)}”`,
    'For real answers, set LLM_PROVIDER and its key.',
  ].join('\n\n');
}

function promptsText(prompts: readonly string[]): string {
  if (prompts.length === 0) return 'System prompts: none.';
  const lines = prompts.map((prompt, index) => `${index + 1}. ${excerpt(prompt, 60)}`);
  return [`System prompts, in this order: ${prompts.length}.`, ...lines].join('\n');
}

function historyText(history: readonly LlmMessage[]): string {
  if (history.length === 0) return 'Earlier messages: none.';
  const asked = history.filter((message) => message.role === 'user').map(textOf);
  const [first] = asked;
  const latest = asked.at(-1);
  const count = `Earlier messages: ${history.length}.`;
  if (first === undefined || latest === undefined) return count;
  if (asked.length === 1) return `${count} You wrote “${excerpt(first, 60)}”.`;
  return `${count} You began with “${excerpt(first, 60)}”, and your latest was “${excerpt(latest, 60)}”.`;
}

function textOf({ content }: LlmMessage): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : '[image]')).join(' ');
}

/** The beginning of a text on one line, cut at a word where there is one. */
function excerpt(text: string, maxChars: number): string {
  const line = text
    .slice(0, maxChars * 4)
    .replace(/\s+/g, ' ')
    .trim();
  const characters = [...line];
  if (characters.length <= maxChars) return line;
  const cut = characters.slice(0, maxChars).join('');
  const space = cut.lastIndexOf(' ');
  return `${space > maxChars / 2 ? cut.slice(0, space) : cut}…`;
}

function usageOf(messages: readonly LlmMessage[], words: readonly string[]) {
  const inputTokens = messages.reduce((sum, message) => sum + (textOf(message).match(/\S+/g)?.length ?? 0), 0);
  return { inputTokens, outputTokens: words.length, cachedInputTokens: 0, costMicroUsd: 0 };
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, delayMs);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
