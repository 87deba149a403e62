import type { Encoding } from '../../platform/tokens/vocabulary.js';

/** The facts about a model in OpenAI's documentation. */
export interface KnownModel {
  readonly contextWindow: number;
  readonly maxOutputTokens: number;
  readonly encoding: Encoding;
}

const model = (contextWindow: number, maxOutputTokens: number, encoding: Encoding = 'o200k_base'): KnownModel => ({
  contextWindow,
  maxOutputTokens,
  encoding,
});

const GPT_35 = model(16_385, 4096, 'cl100k_base');
const GPT_4 = model(8192, 8192, 'cl100k_base');
const GPT_4_TURBO = model(128_000, 4096, 'cl100k_base');
const GPT_4O = model(128_000, 16_384);
const GPT_41 = model(1_047_576, 32_768);
const GPT_5 = model(400_000, 128_000);
const GPT_5_LARGE = model(1_050_000, 128_000);
const REASONING = model(200_000, 100_000);
const OPEN_WEIGHTS = model(131_072, 131_072);

/** https://platform.openai.com/docs/models, November 2026. known-models.spec.ts compares it with the tokenizer's own list. */
const MODELS: Readonly<Record<string, KnownModel>> = {
  'gpt-3.5-turbo': GPT_35,
  'gpt-3.5-turbo-0125': GPT_35,
  'gpt-3.5-turbo-1106': GPT_35,
  'gpt-3.5-turbo-16k': GPT_35,
  'gpt-4': GPT_4,
  'gpt-4-0314': GPT_4,
  'gpt-4-0613': GPT_4,
  'gpt-4-32k': model(32_768, 8192, 'cl100k_base'),
  'gpt-4-turbo': GPT_4_TURBO,
  'gpt-4-turbo-preview': GPT_4_TURBO,
  'gpt-4-0125-preview': GPT_4_TURBO,
  'gpt-4-1106-preview': GPT_4_TURBO,
  'gpt-4o': GPT_4O,
  'gpt-4o-2024-05-13': model(128_000, 4096),
  'gpt-4o-mini': GPT_4O,
  'chatgpt-4o-latest': GPT_4O,
  'gpt-4.1': GPT_41,
  'gpt-4.1-mini': GPT_41,
  'gpt-4.1-nano': GPT_41,
  'gpt-4.5-preview': GPT_4O,
  'gpt-5': GPT_5,
  'gpt-5-mini': GPT_5,
  'gpt-5-nano': GPT_5,
  'gpt-5-chat-latest': GPT_4O,
  'gpt-5.1': GPT_5,
  'gpt-5.1-chat-latest': GPT_4O,
  'gpt-5.2': GPT_5,
  'gpt-5.2-chat-latest': GPT_4O,
  'gpt-5.3-chat-latest': GPT_4O,
  'gpt-5.4': GPT_5_LARGE,
  'gpt-5.4-mini': GPT_5,
  'gpt-5.4-nano': GPT_5,
  'gpt-5.5': GPT_5_LARGE,
  'gpt-5.6-luna': GPT_5_LARGE,
  'gpt-5.6-sol': GPT_5_LARGE,
  'gpt-5.6-terra': GPT_5_LARGE,
  o1: REASONING,
  'o1-mini': model(128_000, 65_536),
  'o1-preview': model(128_000, 32_768),
  o3: REASONING,
  'o3-mini': REASONING,
  'o4-mini': REASONING,
  'gpt-oss-20b': OPEN_WEIGHTS,
  'gpt-oss-120b': OPEN_WEIGHTS,
};

/** Finds a model by its name, by its OpenRouter name (`openai/gpt-4o:floor`), or by its name with a date. */
export function knownModel(name: string): KnownModel | null {
  const own = name.replace(/^openai\//, '').replace(/:[a-z]+$/, '');
  const undated = own.replace(/-\d{4}-\d{2}-\d{2}$/, '');
  for (const key of [own, undated]) if (Object.hasOwn(MODELS, key)) return MODELS[key] as KnownModel;
  return null;
}
