/** Names by which the settings and projects choose a model provider. */
export const PROVIDER_NAMES = ['openai', 'openrouter', 'offline'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

/**
 * Names under which an answer is recorded. `custom` is a server that a project names by its address: it speaks OpenAI's
 * protocol, but its models and their prices are unknown.
 */
export const ANSWERER_NAMES = [...PROVIDER_NAMES, 'custom'] as const;
export type AnswererName = (typeof ANSWERER_NAMES)[number];
