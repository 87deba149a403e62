import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { validateSync } from 'class-validator';
import { parseMasterKeys } from '../crypto/master-keys.js';
import { readKeyFile } from '../crypto/signing-key.js';
import { isNameServer, parseAllowedHosts } from '../outbound/address-policy.js';
import { AppConfig } from './app-config.js';
import { type VariableDefinition, variableDefinitions } from './variable.decorator.js';

/** Settings that the server can not start with: one line per variable, each naming the variable. Never a value. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

const MIN_SECRET_LENGTH = 32;
const STRONG_SECRET = `needs at least ${MIN_SECRET_LENGTH} random characters, e.g. from \`openssl rand -base64 48\``;
/** Words of secrets that stand in examples and tests; random characters have none. */
const SAMPLE = /change.?me|example|\b(test|secret|default|password)\b/i;

function parse(raw: string, { type }: VariableDefinition): unknown {
  switch (type) {
    case 'number':
      return /^-?\d+$/.test(raw.trim()) ? Number(raw) : Number.NaN;
    case 'boolean':
      return raw === 'true' || raw === '1' ? true : raw === 'false' || raw === '0' ? false : raw;
    case 'list':
      return raw
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'string':
      return raw.trim();
  }
}

/** Reads, converts and checks the environment; an empty variable counts as absent. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): AppConfig {
  const config = new AppConfig();
  for (const variable of variableDefinitions()) {
    const raw = env[variable.name];
    if (raw !== undefined && raw.trim() !== '') Object.assign(config, { [variable.property]: parse(raw, variable) });
  }
  const nameOf = new Map(variableDefinitions().map(({ property, name }) => [property, name]));
  const problems = validateSync(config).map(
    (error) => `${nameOf.get(error.property)}: ${Object.values(error.constraints ?? {}).join('; ')}`,
  );
  problems.push(...crossChecks(config));
  if (problems.length > 0) throw new ConfigError(problems);
  if (config.nodeEnv !== 'production') completeSecrets(config);
  return config;
}

function crossChecks(config: AppConfig): string[] {
  const problems: string[] = [];
  const isProduction = config.nodeEnv === 'production';
  if ((config.tlsCertFile === undefined) !== (config.tlsKeyFile === undefined)) {
    problems.push('TLS_CERT_FILE and TLS_KEY_FILE: set both or none');
  }
  if (config.databaseOwnerUrl !== undefined && config.databaseUrl === undefined) {
    problems.push('DATABASE_URL: is needed when DATABASE_OWNER_URL is set');
  }
  if (config.llmProvider === 'openai' && config.openaiApiKey === undefined) {
    problems.push('OPENAI_API_KEY: is needed for LLM_PROVIDER=openai (any word for servers without keys)');
  }
  if (config.llmProvider === 'openrouter' && config.openrouterApiKey === undefined) {
    problems.push('OPENROUTER_API_KEY: is needed for LLM_PROVIDER=openrouter');
  }
  if (config.metricsPort !== undefined && config.metricsPort === config.port && config.port !== 0) {
    problems.push('METRICS_PORT: must be another port than PORT');
  }
  if (config.corsOrigins.includes('*')) problems.push('CORS_ORIGINS: name the origins, * is not accepted');
  problems.push(...providerAddressProblems(config));
  for (const [name, secret] of [
    ['JWT_SECRET', config.jwtSecret],
    ['PASSWORD_PEPPER', config.passwordPepper],
  ] as const) {
    if (secret === undefined ? isProduction : isWeak(secret) || (isProduction && SAMPLE.test(secret))) {
      problems.push(`${name}: ${STRONG_SECRET}`);
    }
  }
  const { masterKeys } = config;
  if (masterKeys === undefined ? isProduction : parseMasterKeys(masterKeys) === null) {
    problems.push(
      'MASTER_KEYS: needs `version:key` with 32 random bytes each, e.g. `1:` and the output of `openssl rand -base64 32`',
    );
  }
  if (config.jwtPreviousSecrets.some(isWeak)) problems.push(`JWT_PREVIOUS_SECRETS: each ${STRONG_SECRET}`);
  problems.push(...keyFileProblems(config.jwtKeyFiles));
  if (isProduction) {
    problems.push(...mailProblems(config));
    if (config.llmProvider === undefined) {
      problems.push('LLM_PROVIDER: production must name one: openai, openrouter or offline');
    }
    if (config.bcryptCost < 10) problems.push('BCRYPT_COST: must be at least 10 in production');
    if (config.databaseUrl === undefined) problems.push('DATABASE_URL: production needs a database of its own');
  }
  return problems;
}

function keyFileProblems(paths: readonly string[]): string[] {
  return paths.flatMap((path, i) => {
    try {
      readKeyFile(path);
      return [];
    } catch (error) {
      return [`JWT_KEY_FILES: file ${i + 1} ${(error as Error).message}`];
    }
  });
}

function mailProblems({ smtpUrl, mailFrom, appUrl, requireVerifiedEmail }: AppConfig): string[] {
  if (smtpUrl === undefined) {
    return requireVerifiedEmail ? ['SMTP_URL: is needed for REQUIRE_VERIFIED_EMAIL=true'] : [];
  }
  const isLocal = (address: string): boolean => /[@/]localhost\b/.test(address);
  return [
    ...(isLocal(mailFrom) ? ['MAIL_FROM: production must name a sender'] : []),
    ...(isLocal(appUrl) ? ['APP_URL: production must name the web app that mails link to'] : []),
  ];
}

function isWeak(secret: string): boolean {
  return secret.length < MIN_SECRET_LENGTH || new Set(secret).size < 10;
}

/** Outside production, secrets that nobody set are made once and kept, so that sign-ins survive a restart. */
function completeSecrets(config: AppConfig): void {
  config.jwtSecret ??= keptSecret(config.dataDir, 'jwt-secret');
  config.passwordPepper ??= keptSecret(config.dataDir, 'password-pepper');
  config.masterKeys ??= keptSecret(config.dataDir, 'master-keys', () => `1:${randomBytes(32).toString('base64')}`);
}

function keptSecret(dataDir: string, name: string, make = (): string => randomBytes(48).toString('base64url')): string {
  const folder = join(dataDir, 'secrets');
  const file = join(folder, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    // wx: of two servers that start at once, one writes and both read.
    writeFileSync(file, make(), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const secret = readFileSync(file, 'utf8').trim();
  if (isWeak(secret)) throw new ConfigError([`${file}: holds no secret any more; delete it, and a new one is made`]);
  return secret;
}

function providerAddressProblems(config: AppConfig): string[] {
  const problems: string[] = [];
  if (parseAllowedHosts(config.providerUrlAllow) === null) {
    problems.push('PROVIDER_URL_ALLOW: takes host names in lower case, IP addresses and networks such as 10.0.0.0/8');
  }
  if (!config.providerDnsServers.every(isNameServer)) {
    problems.push(
      'PROVIDER_DNS_SERVERS: takes IP addresses, with :port if it is not 53 (an IPv6 address then in brackets)',
    );
  }
  return problems;
}
