/** Names under which a model provider is chosen by config, by a project, and recorded on every message. */
export const PROVIDER_NAMES = ['openai', 'openrouter', 'offline'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];
