import { modelToEncodingMap } from 'gpt-tokenizer/mapping';
import * as models from 'gpt-tokenizer/models';
import { knownModel } from './known-models.js';

interface Spec {
  readonly name: string;
  readonly context_window?: number;
  readonly max_output_tokens?: number;
  readonly supported_endpoints?: readonly string[];
}

/** The tokenizer package's list of OpenAI's models, limited to those that chat in text. */
const listed = Object.entries(models as unknown as Record<string, Spec>).filter(
  ([name, { context_window, supported_endpoints = [] }]) =>
    context_window !== undefined &&
    supported_endpoints.includes('chat_completions') &&
    !/audio|realtime|image|search|transcribe|instruct|vision/.test(name),
);

describe('knownModel', () => {
  it.each(listed.filter(([name]) => knownModel(name) !== null))('agrees with the tokenizer about %s', (name, spec) => {
    expect(knownModel(name)).toEqual({
      contextWindow: spec.context_window,
      maxOutputTokens: spec.max_output_tokens,
      encoding: (modelToEncodingMap as Record<string, string>)[name] ?? 'o200k_base',
    });
  });

  it('knows most of them', () => {
    expect(listed.filter(([name]) => knownModel(name) !== null).length).toBeGreaterThan(50);
  });

  it('knows a model with a date after its name, and under its OpenRouter name', () => {
    expect(knownModel('gpt-4o-mini-2024-07-18')).toBe(knownModel('gpt-4o-mini'));
    expect(knownModel('openai/gpt-4:floor')).toBe(knownModel('gpt-4'));
    expect(knownModel('openai/gpt-4')).toMatchObject({ contextWindow: 8192, encoding: 'cl100k_base' });
  });

  it.each(['scripted', 'anthropic/claude-sonnet-4', 'mistralai/gpt-4', 'gpt-4o-mine', 'constructor', ''])(
    'does not know %j',
    (name) => {
      expect(knownModel(name)).toBeNull();
    },
  );
});
