import { AuthConfig } from './modules/auth/public/auth.config.js';
import { ChatConfig } from './modules/chat/public/chat.config.js';
import { LimitsConfig } from './modules/limits/public/limits.config.js';
import { LlmConfig } from './modules/llm/public/llm.config.js';
import { PrivacyConfig } from './modules/privacy/public/privacy.config.js';
import { PromptsConfig } from './modules/prompts/public/prompts.config.js';
import { UsageConfig } from './modules/usage/public/usage.config.js';
import { RedisConfig } from './platform/cache/redis.config.js';
import { ServerConfig } from './platform/config/server.config.js';
import { defaultSettings, loadSettings, type Settings } from './platform/config/settings.js';
import { CryptoConfig } from './platform/crypto/crypto.config.js';
import { generateMissingSecrets } from './platform/crypto/generated-secrets.js';
import { DatabaseConfig } from './platform/database/database.config.js';
import { MailConfig } from './platform/mail/mail.config.js';
import { OutboundConfig } from './platform/outbound/outbound.config.js';

/** Every group of settings, in the order in which they are documented. */
export const SETTINGS_GROUPS = [
  ServerConfig,
  DatabaseConfig,
  RedisConfig,
  CryptoConfig,
  AuthConfig,
  MailConfig,
  LimitsConfig,
  LlmConfig,
  OutboundConfig,
  PromptsConfig,
  ChatConfig,
  UsageConfig,
  PrivacyConfig,
] as const;

/** Every setting of the server. Only the top-level files see all of them; modules inject the group that they need. */
export type AppConfig = Settings<typeof SETTINGS_GROUPS>;

/** The settings of an empty environment, without the secrets that development generates. */
export const defaultConfig = (): AppConfig => defaultSettings(SETTINGS_GROUPS);

/** Reads and checks the environment. Throws `ConfigError` with all problems at once. Outside production it fills in secrets. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): AppConfig {
  const config = loadSettings(env, SETTINGS_GROUPS, ({ nodeEnv, requireVerifiedEmail, smtpUrl }) =>
    nodeEnv === 'production' && requireVerifiedEmail && smtpUrl === undefined
      ? ['SMTP_URL: is required for REQUIRE_VERIFIED_EMAIL=true']
      : [],
  );
  if (config.nodeEnv !== 'production') generateMissingSecrets(config, config.dataDir);
  return config;
}
