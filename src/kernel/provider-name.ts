/** Names under which a model provider is chosen by config and by a project. */
export const PROVIDER_NAMES = ['openai', 'openrouter', 'offline'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

/**
 * Names under which an answer is recorded. `custom` is a server that a project names by its address: it speaks like
 * OpenAI, but nobody knows whose models it has and what they cost.
 */
export const ANSWERER_NAMES = [...PROVIDER_NAMES, 'custom'] as const;
export type AnswererName = (typeof ANSWERER_NAMES)[number];
