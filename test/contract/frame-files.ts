import type { LlmErrorCode } from '../../src/modules/llm/public/llm-error.js';
import type { FinishReason, LlmEvent, LlmUsage } from '../../src/modules/llm/public/llm-provider.js';

type Tokens = readonly [input: number, output: number, cached: number | null, costMicroUsd?: number];

/** What a file of test/fixtures/llm must be read as. */
export interface FrameFile {
  readonly file: string;
  readonly provider: 'openai' | 'openrouter';
  readonly text: string;
  readonly reasoning: string;
  readonly generationId: string | null;
  /** The events after the text; of a failed answer, the usage that was told. */
  readonly closing: readonly LlmEvent[];
  readonly failure: LlmErrorCode | null;
}

interface Facts {
  readonly provider?: 'openai' | 'openrouter';
  readonly reasoning?: string;
  readonly tools?: readonly LlmEvent[];
  readonly usage?: Tokens;
}

/** An answer that ends well; `raw` is the provider's word when it is not ours. */
function whole(
  file: string,
  text: string,
  [generationId, model]: readonly [string, string],
  [reason, raw = reason]: readonly [FinishReason, string?],
  { provider = 'openai', reasoning = '', tools = [], usage }: Facts = {},
): FrameFile {
  const finish: LlmEvent = { type: 'finish', reason, rawReason: raw, generationId, model };
  const closing = [...tools, ...usageEvents(usage), finish];
  return { file, provider, text, reasoning, generationId, closing, failure: null };
}

/** An answer that breaks off: its text is kept. */
function failed(file: string, failure: LlmErrorCode, generationId: string | null, facts: Facts = {}): FrameFile {
  const { provider = 'openai', usage } = facts;
  return { file, provider, text: 'Half', reasoning: '', generationId, closing: usageEvents(usage), failure };
}

function usageEvents(tokens: Tokens | undefined): LlmEvent[] {
  if (tokens === undefined) return [];
  const [inputTokens, outputTokens, cachedInputTokens, costMicroUsd = null] = tokens;
  const usage: LlmUsage = { inputTokens, outputTokens, cachedInputTokens, costMicroUsd };
  return [{ type: 'usage', usage, rawUsage: expect.any(Object) as Record<string, unknown> }];
}

const OPENAI = ['chatcmpl-CbX1v0GkPq3uWnT7eYh2LrSd', 'gpt-4o-mini-2024-07-18'] as const;
const GATEWAY = ['chatcmpl-gw', 'm'] as const;
const TOOLS: readonly LlmEvent[] = [
  { type: 'tool-call', id: 'call_Qk3vX9', name: 'get_weather', arguments: '{"city":"Bern"}' },
  { type: 'tool-call', id: 'call_Zz81Lm', name: 'get_time', arguments: '{}' },
];

export const FRAME_FILES: readonly FrameFile[] = [
  whole('openai.sse', 'Zürich is nice.\n“Grüezi!” 👋🏽', OPENAI, ['stop'], { usage: [24, 13, 16] }),
  whole('openai-tool-calls.sse', '', OPENAI, ['tool_calls'], { tools: TOOLS, usage: [24, 13, 16] }),
  whole('openai-refusal.sse', "I'm sorry, I can't help with that.", OPENAI, ['content_filter', 'stop']),
  whole(
    'openrouter.sse',
    'Good morning! How can I help?',
    ['gen-1763812399-Ky7Wq0aVbN5d', 'anthropic/claude-sonnet-4'],
    ['stop'],
    { provider: 'openrouter', reasoning: 'The user greets', usage: [194, 9, 128, 718] },
  ),
  whole('openrouter-reasoning.sse', 'Bern.', ['gen-1763812700-aa', 'anthropic/claude-sonnet-4'], ['stop'], {
    provider: 'openrouter',
    reasoning: 'Let me think 🤔 briefly',
    usage: [20, 30, 4, 420],
  }),
  {
    ...failed('openrouter-midstream-error.sse', 'provider_error', 'gen-1763812399-Ky7Wq0aVbN5d'),
    provider: 'openrouter',
    text: 'The first half',
  },
  whole('ollama.sse', 'Sure, here: **bold**', ['chatcmpl-514', 'llama3.2'], ['stop']),
  whole('ollama-reasoning.sse', 'Yes!', ['chatcmpl-77', 'qwen3:4b'], ['stop'], {
    reasoning: 'Okay, so',
    usage: [9, 6, null],
  }),
  whole('vllm.sse', '您好，这里是 vLLM', ['chatcmpl-0f3c9a', 'Qwen/Qwen2.5-7B-Instruct'], ['length'], {
    usage: [31, 7, null],
  }),
  whole('vllm-reasoning.sse', '\n\nDrei', ['chatcmpl-v1', 'Qwen/QwQ-32B'], ['stop'], {
    reasoning: 'Zählen wir',
    usage: [12, 5, null],
  }),
  failed('vllm-abort.sse', 'provider_error', 'chatcmpl-v1'),
  failed('vllm-error.sse', 'provider_error', 'chatcmpl-v1'),
  whole('llama-cpp-crlf.sse', 'Local models say\n hi', ['chatcmpl-tZ3M1fQ', 'gpt-3.5-turbo'], ['stop']),
  whole('llama-cpp-think.sse', '4 <think>', ['chatcmpl-tZ9', 'gpt-3.5-turbo'], ['stop'], {
    reasoning: 'I add',
    usage: [11, 9, null],
  }),
  failed('llama-cpp-error.sse', 'context_too_large', 'chatcmpl-tZ9'),
  whole('lm-studio.sse', 'Hello', ['chatcmpl-lm1', 'qwen2.5-7b-instruct'], ['stop']),
  failed('lm-studio-error.sse', 'provider_error', 'chatcmpl-lm1'),
  { ...failed('lm-studio-context.sse', 'context_too_large', null), text: '' },
  whole('azure.sse', 'Guten Tag', ['chatcmpl-az1', 'gpt-4o-2024-11-20'], ['stop'], { usage: [8, 4, 0] }),
  // The completion of Gemini's usage leaves the thoughts out; its total has them.
  whole('gemini.sse', 'Servus Wien', ['mKkj', 'gemini-2.5-flash'], ['stop'], { usage: [7, 57, null] }),
  failed('gemini-error.sse', 'provider_overloaded', 'mKkj'),
  whole('deepseek.sse', '九', ['ds-1', 'deepseek-reasoner'], ['stop'], { reasoning: '首先，', usage: [15, 40, 10] }),
  failed('deepseek-overloaded.sse', 'provider_overloaded', 'ds-1'),
  whole('mistral.sse', 'Oui, bien', ['ms-1', 'magistral-medium'], ['length', 'model_length'], {
    reasoning: 'Je réfléchis',
    usage: [5, 9, null],
  }),
  whole('groq.sse', 'Fast', ['chatcmpl-gq1', 'llama-3.3-70b'], ['stop'], { reasoning: 'Hm.', usage: [18, 5, null] }),
  whole('moonshot.sse', '月亮', ['cmpl-ms1', 'kimi-k2'], ['stop'], { usage: [8, 3, 6] }),
  whole('litellm.sse', 'Done', ['chatcmpl-li1', 'claude-3-7-sonnet'], ['length'], {
    reasoning: 'Thinking',
    usage: [30, 7, 20],
  }),
  failed('litellm-error.sse', 'provider_error', 'chatcmpl-li1'),
  whole('two-choices.sse', 'ABC', ['chatcmpl-n2', 'm'], ['stop']),
  failed('zhipu-network-error.sse', 'provider_error', 'chatcmpl-zp'),
  whole('zhipu-sensitive.sse', 'Half', ['chatcmpl-zp', 'glm-4.5'], ['content_filter', 'sensitive']),
  failed('dashscope-null-reason.sse', 'provider_disconnected', 'chatcmpl-qw'),
  whole('gateway-error-after-end.sse', 'Whole', GATEWAY, ['stop'], { usage: [3, 2, null] }),
  whole('gateway-garbage-after-end.sse', 'Whole', GATEWAY, ['stop'], { usage: [3, 2, null] }),
  failed('gateway-detail.sse', 'provider_error', 'chatcmpl-gw'),
  failed('gateway-text-error.sse', 'provider_error', 'chatcmpl-gw'),
  failed('gateway-message-code.sse', 'provider_rate_limited', 'chatcmpl-gw'),
];
