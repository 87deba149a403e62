import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AppConfig, defaultConfig, loadConfig, SETTINGS_GROUPS } from './app-config.js';
import { ConfigError } from './platform/config/settings.js';
import { variablesOf } from './platform/config/variable.decorator.js';

const VARIABLES = SETTINGS_GROUPS.flatMap((group) => variablesOf(group));
type Env = Record<string, string | undefined>;

const STRONG = 'k3-Vt9xQ2mLw8Rz0bYc6Hd1Jf5Ng7Ps4Ua_eIoXt';
const MASTER_KEY = `1:${Buffer.from(STRONG).subarray(0, 32).toString('base64')}`;
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'config-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const load = (env: Env = {}): AppConfig => loadConfig({ DATA_DIR: join(dir, 'data'), ...env });
const production = (env: Env = {}): AppConfig =>
  load({
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://parley:pw@db.internal:5432/parley',
    JWT_SECRET: STRONG,
    PASSWORD_PEPPER: [...STRONG].reverse().join(''),
    MASTER_KEYS: MASTER_KEY,
    LLM_PROVIDER: 'offline',
    ...env,
  });
function problemsOf(start: () => AppConfig): readonly string[] {
  try {
    start();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('it started');
}
/** If a wrong path is accepted by mistake, the file is created in a directory that is removed afterwards. */
function inOurFolder<T>(work: () => T): T {
  const before = process.cwd();
  process.chdir(dir);
  try {
    return work();
  } finally {
    process.chdir(before);
  }
}
const namesOf = (start: () => AppConfig): string[] => problemsOf(start).map((line) => line.split(':', 1)[0] as string);

describe('loadConfig', () => {
  it('needs nothing in development', () => {
    const { jwtSecret, passwordPepper, masterKeys, ...rest } = load();
    expect(rest).toEqual({ ...defaultConfig(), dataDir: join(dir, 'data') });
    expect(jwtSecret).toBeDefined();
    expect(passwordPepper).toBeDefined();
    expect(masterKeys).toMatch(/^1:[\w+/]{43}=$/);
  });

  it('reads numbers, switches, lists and texts, and trims them', () => {
    expect(
      load({
        PORT: ' 8080 ',
        DOCS_ENABLED: 'false',
        MIGRATE_ON_START: '1',
        CORS_ORIGINS: 'https://a.example, https://b.example,,',
        OPENAI_MODEL: ' gpt-x ',
        DATABASE_URL: 'postgres://localhost/parley',
      }),
    ).toMatchObject({
      port: 8080,
      docsEnabled: false,
      migrateOnStart: true,
      corsOrigins: ['https://a.example', 'https://b.example'],
      openaiModel: 'gpt-x',
      databaseUrl: 'postgres://localhost/parley',
    });
  });

  it('treats an empty variable as absent, because compose files set empty ones', () => {
    const empty = Object.fromEntries(VARIABLES.map(({ name }) => [name, ' ']));
    expect(loadConfig({ ...empty, DATA_DIR: join(dir, 'data') })).toMatchObject({
      port: defaultConfig().port,
      corsOrigins: [],
    });
  });

  it('ignores variables that are not ours', () => {
    expect(load({ PATH: '/bin', PORTS: 'x' }).port).toBe(defaultConfig().port);
  });

  it.each<[string, string]>([
    ['NODE_ENV', 'staging'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PORT', '8000x'],
    ['PORT', '0x10'],
    ['PORT', '1e3'],
    ['TRUSTED_PROXIES', '11'],
    ['BODY_LIMIT_BYTES', '1023'],
    ['BODY_LIMIT_BYTES', '999999999'],
    ['REQUEST_TIMEOUT_MS', '999'],
    ['SHUTDOWN_GRACE_MS', '600001'],
    ['DOCS_ENABLED', 'yes'],
    ['LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['DATABASE_URL', 'localhost:5432'],
    ['DATABASE_POOL_SIZE', '0'],
    ['DATABASE_POOL_SIZE', '201'],
    ['DATABASE_CONNECT_TIMEOUT_MS', '99'],
    ['DATABASE_STATEMENT_TIMEOUT_MS', '99'],
    ['MIGRATE_ON_START', 'maybe'],
    ['IDEMPOTENCY_KEEP_HOURS', '23'],
    ['REDIS_URL', 'http://localhost:6379'],
    ['JWT_SECRET', 'x'.repeat(31)],
    ['JWT_SECRET', 'x'.repeat(64)],
    ['JWT_PREVIOUS_SECRETS', `${STRONG},short`],
    ['JWT_KEY_FILES', '/nowhere/key.pem'],
    ['PASSWORD_PEPPER', 'short'],
    ['PASSWORD_PEPPER', 'abababababababababababababababababababab'],
    ['MASTER_KEYS', 'secret'],
    ['MASTER_KEYS', MASTER_KEY.slice(2)],
    ['MASTER_KEYS', MASTER_KEY.slice(0, -4)],
    ['MASTER_KEYS', `0${MASTER_KEY.slice(1)}`],
    ['MASTER_KEYS', `1:${Buffer.alloc(32).toString('base64')}`],
    ['MASTER_KEYS', `${MASTER_KEY},${MASTER_KEY}`],
    ['JWT_ACCESS_TTL_SECONDS', '9'],
    ['JWT_ACCESS_TTL_SECONDS', '86401'],
    ['JWT_REFRESH_TTL_SECONDS', '59'],
    ['SIGN_IN_MAX_SECONDS', '59'],
    ['BCRYPT_COST', '3'],
    ['BCRYPT_COST', '16'],
    ['WORKER_THREADS', '0'],
    ['WORKER_THREADS', '17'],
    ['LLM_PROVIDER', 'acme'],
    ['OPENAI_BASE_URL', 'api.openai.com/v1'],
    ['OPENAI_BASE_URL', 'ftp://api.openai.com'],
    ['OPENROUTER_BASE_URL', 'x'],
    ['PROVIDER_URL_ALLOW', '10.0.0.0/33'],
    ['PROVIDER_URL_ALLOW', 'ollama,http://10.0.0.1'],
    ['PROVIDER_DNS_SERVERS', 'dns.example.com'],
    ['PROVIDER_DNS_SERVERS', '192.0.2.1,192.0.2.1:65536'],
    ['PROVIDER_DNS_SERVERS', '[192.0.2.1]:53'],
    ['PROVIDER_DNS_SERVERS', '2001:db8::1:53:x'],
    ['PROVIDER_DNS_SERVERS', 'dns.example.com'],
    ['PROVIDER_DNS_SERVERS', '192.0.2.1,192.0.2.1:65536'],
    ['PROVIDER_DNS_SERVERS', '[192.0.2.1]:53'],
    ['PROVIDER_DNS_SERVERS', '2001:db8::1:53:x'],
    ['OFFLINE_DELAY_MS', '-1'],
    ['LLM_CONNECT_TIMEOUT_MS', '9'],
    ['LLM_FIRST_TOKEN_TIMEOUT_MS', '9'],
    ['LLM_IDLE_TIMEOUT_MS', '9'],
    ['LLM_TOTAL_TIMEOUT_MS', '9'],
    ['LLM_RETRIES', '6'],
    ['LLM_MAX_ANSWER_CHARS', '999'],
    ['MESSAGE_MAX_CHARS', '99'],
    ['CONTEXT_TOKENS', '255'],
    ['HISTORY_MESSAGES', '1001'],
    ['TURN_LEASE_MS', '999'],
    ['TURN_SWEEP_MS', '99'],
    ['TURN_FLUSH_MS', '9'],
    ['SSE_HEARTBEAT_MS', '99'],
    ['CORS_ORIGINS', '*'],
    ['METRICS_PORT', '65536'],
    ['METRICS_PORT', '8000'],
  ])('refuses %s=%s and names it', (name, value) => {
    expect(namesOf(() => load({ [name]: value }))).toEqual([name]);
  });

  it('tests every variable that can be wrong, or states why not', () => {
    // Texts that cannot be checked before they are used.
    const free = new Set([
      ...[
        'HOST',
        'METRICS_HOST',
        'DATA_DIR',
        'JWT_ISSUER',
        'JWT_AUDIENCE',
        'DEFAULT_PLAN',
        'OPENAI_MODEL',
        'OPENROUTER_MODEL',
        'TITLE_MODEL',
        'SUMMARY_MODEL',
      ],
      // Checked together with other variables, below.
      ...['OPENAI_API_KEY', 'OPENROUTER_API_KEY', 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'DATABASE_OWNER_URL'],
    ]);
    for (const { name } of VARIABLES) {
      if (free.has(name)) continue;
      const wrong = ['CORS_ORIGINS', 'PROVIDER_URL_ALLOW'].includes(name) ? '*' : 'wrong';
      expect(inOurFolder(() => namesOf(() => load({ [name]: wrong })))).toEqual([name]);
    }
  });

  it('reports all problems at once, one line each', () => {
    expect(namesOf(() => load({ PORT: 'x', LOG_LEVEL: 'x', JWT_SECRET: 'x' }))).toEqual([
      'PORT',
      'LOG_LEVEL',
      'JWT_SECRET',
    ]);
  });

  it('never repeats a value, because it may be a secret in the wrong variable', () => {
    const canary = 'canary-1234';
    for (const { name } of VARIABLES) {
      let said: string;
      try {
        load({ [name]: canary, DATA_DIR: join(dir, 'data') });
        continue;
      } catch (error) {
        said = String(error);
      }
      expect(said).toContain(name);
      expect(said).not.toContain(canary);
    }
  });

  it.each<[string, Env, string]>([
    ['a certificate without its key', { TLS_CERT_FILE: 'x.pem' }, 'TLS_CERT_FILE and TLS_KEY_FILE'],
    ['a key without its certificate', { TLS_KEY_FILE: 'x.pem' }, 'TLS_CERT_FILE and TLS_KEY_FILE'],
    ['an owner without an application', { DATABASE_OWNER_URL: 'postgres://localhost/x' }, 'DATABASE_URL'],
    ['openai without its key', { LLM_PROVIDER: 'openai' }, 'OPENAI_API_KEY'],
    ['openrouter without its key', { LLM_PROVIDER: 'openrouter', OPENAI_API_KEY: 'x' }, 'OPENROUTER_API_KEY'],
  ])('refuses %s', (_what, env, name) => {
    expect(namesOf(() => load(env))).toEqual([name]);
  });

  it('accepts settings that belong together', () => {
    load({ TLS_CERT_FILE: 'a', TLS_KEY_FILE: 'b' });
    load({ DATABASE_OWNER_URL: 'postgres://owner@localhost/x', DATABASE_URL: 'postgresql://app@localhost/x' });
    load({ LLM_PROVIDER: 'openai', OPENAI_API_KEY: 'x', OPENAI_BASE_URL: 'http://localhost:11434/v1' });
    load({ LLM_PROVIDER: 'openrouter', OPENROUTER_API_KEY: 'x' });
  });
});

describe('production', () => {
  it('starts with all required settings, and generates no secrets', () => {
    expect(production()).toMatchObject({ nodeEnv: 'production', jwtSecret: STRONG, llmProvider: 'offline' });
    expect(existsSync(join(dir, 'data'))).toBe(false);
  });

  it.each<[string, Env]>([
    ['JWT_SECRET', { JWT_SECRET: undefined }],
    ['JWT_SECRET', { JWT_SECRET: 'secret' }],
    ['JWT_SECRET', { JWT_SECRET: 'change-me'.padEnd(40, '-') }],
    ['JWT_SECRET', { JWT_SECRET: 'please-change-me-0123456789-abcdefghijk' }],
    ['JWT_SECRET', { JWT_SECRET: 'a test secret that is long enough to be taken' }],
    ['PASSWORD_PEPPER', { PASSWORD_PEPPER: 'the default pepper of 32 characters and more' }],
    ['PASSWORD_PEPPER', { PASSWORD_PEPPER: undefined }],
    ['PASSWORD_PEPPER', { PASSWORD_PEPPER: '' }],
    ['PASSWORD_PEPPER', { PASSWORD_PEPPER: '0'.repeat(64) }],
    ['MASTER_KEYS', { MASTER_KEYS: undefined }],
    ['MASTER_KEYS', { MASTER_KEYS: '1:change-me' }],
    ['LLM_PROVIDER', { LLM_PROVIDER: undefined }],
    ['BCRYPT_COST', { BCRYPT_COST: '9' }],
    ['DATABASE_URL', { DATABASE_URL: undefined }],
  ])('refuses to start and names %s for %j', (name, env) => {
    expect(namesOf(() => production(env))).toEqual([name]);
  });

  it('names all missing settings when nothing is set', () => {
    expect(new Set(namesOf(() => loadConfig({ NODE_ENV: 'production' })))).toEqual(
      new Set(['JWT_SECRET', 'PASSWORD_PEPPER', 'MASTER_KEYS', 'LLM_PROVIDER', 'DATABASE_URL']),
    );
  });
});

describe('settings that depend on another group', () => {
  it('are reported together with all other problems', () => {
    const wrong = { REQUIRE_VERIFIED_EMAIL: 'true', PORT: 'x' };
    expect(namesOf(() => production(wrong))).toEqual(['PORT', 'SMTP_URL']);
  });
});

describe('generated secrets', () => {
  const file = (name: string): string => join(dir, 'data', 'secrets', name);

  it('are strong, different, generated once, and kept for the next start', () => {
    const [first, second] = [load(), load()];
    expect(first.jwtSecret).toMatch(/^[\w-]{64}$/);
    expect(first.passwordPepper).toMatch(/^[\w-]{64}$/);
    expect(first.jwtSecret).not.toBe(first.passwordPepper);
    expect([second.jwtSecret, second.passwordPepper]).toEqual([first.jwtSecret, first.passwordPepper]);
    expect(readFileSync(file('jwt-secret'), 'utf8')).toBe(first.jwtSecret);
  });

  it('can be read only by their owner', () => {
    load();
    expect(statSync(join(dir, 'data', 'secrets')).mode & 0o777).toBe(0o700);
    for (const name of ['jwt-secret', 'password-pepper', 'master-keys'])
      expect(statSync(file(name)).mode & 0o777).toBe(0o600);
  });

  it('differ in another data directory', () => {
    expect(load().jwtSecret).not.toBe(load({ DATA_DIR: join(dir, 'other') }).jwtSecret);
  });

  it('are not generated if the settings have them', () => {
    expect(load({ JWT_SECRET: STRONG }).jwtSecret).toBe(STRONG);
    expect(existsSync(file('jwt-secret'))).toBe(false);
    expect(existsSync(file('password-pepper'))).toBe(true);
  });

  it.each(['', '\n', 'short', 'x'.repeat(64)])(
    'are refused, with the name of the file, when it contains %j',
    (damaged) => {
      mkdirSync(join(dir, 'data', 'secrets'), { recursive: true });
      writeFileSync(file('jwt-secret'), damaged);
      const problems = problemsOf(() => load());
      expect(problems).toHaveLength(1);
      expect(problems[0]).toContain(file('jwt-secret'));
      expect(load({ JWT_SECRET: STRONG }).jwtSecret).toBe(STRONG);
    },
  );
});
