import { IsArray, IsBoolean, IsIn, IsInt, IsOptional, IsString, IsUrl, Matches, Max, Min } from 'class-validator';
import { Variable } from './variable.decorator.js';

const url = { require_tld: false, protocols: ['http', 'https'], require_protocol: true };
const smtp = { require_tld: false, protocols: ['smtp', 'smtps'], require_protocol: true };
const redis = { require_tld: false, protocols: ['redis', 'rediss'], require_protocol: true };
const postgres = { require_tld: false, protocols: ['postgres', 'postgresql'], require_protocol: true };

/** Node.js lets a longer timer go off at once. */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * Every setting of the server: the name, unit, default and consequence of each variable stand here and nowhere else.
 * `.env.example` is written from this class (`npm run config:example`) and a test compares the two.
 */
export class AppConfig {
  // Server
  @Variable('Server', 'development, test or production. Production refuses to start with missing or weak secrets.')
  @IsIn(['development', 'test', 'production'])
  nodeEnv: string = 'development';

  @Variable('Server', 'Address to listen on. localhost is reachable from this machine only; containers use 0.0.0.0.')
  @IsString()
  host: string = 'localhost';

  @Variable('Server', 'Port to listen on; 0 takes a free one.')
  @IsInt()
  @Min(0)
  @Max(65535)
  port: number = 8000;

  @Variable('Server', 'Origins of browser apps that may call the API, separated by commas; empty allows none.')
  @IsArray()
  @IsString({ each: true })
  corsOrigins: string[] = [];

  @Variable(
    'Server',
    'How many reverse proxies stand in front; their X-Forwarded-For is believed that far. 0 believes none.',
  )
  @IsInt()
  @Min(0)
  @Max(10)
  trustedProxies: number = 0;

  @Variable('Server', 'PEM certificate chain; with TLS_KEY_FILE the server speaks HTTPS itself.')
  @IsOptional()
  @IsString()
  tlsCertFile?: string;

  @Variable('Server', 'PEM private key that belongs to TLS_CERT_FILE.')
  @IsOptional()
  @IsString()
  tlsKeyFile?: string;

  @Variable('Server', 'Largest request body in bytes; more is answered 413.')
  @IsInt()
  @Min(1024)
  @Max(64 * 1024 * 1024)
  bodyLimitBytes: number = 1024 * 1024;

  @Variable('Server', 'Milliseconds a client may take to send its whole request.')
  @IsInt()
  @Min(1000)
  @Max(MAX_TIMER_MS)
  requestTimeoutMs: number = 30_000;

  @Variable('Server', 'Connections that are open at a time, at most; one more is closed at once.')
  @IsInt()
  @Min(1)
  maxConnections: number = 10_000;

  @Variable('Server', 'Milliseconds that running answers get to finish after SIGTERM; then they are handed back.')
  @IsInt()
  @Min(0)
  @Max(600_000)
  shutdownGraceMs: number = 10_000;

  @Variable('Server', 'Swagger UI at /docs; the document itself is always at /openapi.json.')
  @IsBoolean()
  docsEnabled: boolean = true;

  @Variable(
    'Server',
    'trace, debug, info, warn, error, fatal or silent. Below info, provider texts may appear in the log.',
  )
  @IsIn(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
  logLevel: string = 'info';

  @Variable(
    'Server',
    'Port for GET /metrics, in the format of Prometheus; 0 takes a free one, empty serves none. It is not for the public.',
  )
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(65535)
  metricsPort?: number;

  @Variable('Server', 'Address on which METRICS_PORT listens; containers use 0.0.0.0 and do not publish the port.')
  @IsString()
  metricsHost: string = 'localhost';

  @Variable('Server', 'Where development keeps its database and its secrets. Deleting it starts anew.')
  @IsString()
  dataDir: string = '.data';

  // Database
  @Variable('Database', 'PostgreSQL 15 or newer, as the application. Empty: an embedded one is started in DATA_DIR.', {
    secret: true,
  })
  @IsOptional()
  @IsUrl(postgres, { message: 'must be a postgres:// address' })
  databaseUrl?: string;

  @Variable(
    'Database',
    'The same database as the owner of the tables, for migrations. Empty: DATABASE_URL is the owner and takes the application role.',
    { secret: true },
  )
  @IsOptional()
  @IsUrl(postgres, { message: 'must be a postgres:// address' })
  databaseOwnerUrl?: string;

  @Variable('Database', 'Connections per instance. No connection is held while a model writes, so few are enough.')
  @IsInt()
  @Min(1)
  @Max(200)
  databasePoolSize: number = 10;

  @Variable('Database', 'Milliseconds to wait for a connection before the request is answered 503.')
  @IsInt()
  @Min(100)
  @Max(MAX_TIMER_MS)
  databaseConnectTimeoutMs: number = 3000;

  @Variable('Database', 'Milliseconds after which PostgreSQL cancels a statement.')
  @IsInt()
  @Min(100)
  @Max(MAX_TIMER_MS)
  databaseStatementTimeoutMs: number = 7000;

  @Variable('Database', 'Hours for which a repeated Idempotency-Key gets its first answer again.')
  @IsInt()
  @Min(24)
  @Max(8760)
  idempotencyKeepHours: number = 24;

  @Variable(
    'Database',
    'Run missing migrations at start, one instance at a time. false: run `npm run migrate` yourself.',
  )
  @IsBoolean()
  migrateOnStart: boolean = true;

  // Redis
  @Variable(
    'Redis',
    'Redis 5 or newer, redis:// or rediss://. With it, answers reach those who follow them at another instance as they are written; without it, or while it is away, every TURN_FLUSH_MS. Lists of models are shared too. It keeps nothing that matters.',
    { secret: true },
  )
  @IsOptional()
  @IsUrl(redis, { message: 'must be a redis:// or rediss:// address' })
  redisUrl?: string;

  // Sign-in
  @Variable(
    'Sign-in',
    'Signs access and refresh tokens; at least 32 random characters. Made and kept in DATA_DIR in development. A new one signs everybody out, unless the old one is in JWT_PREVIOUS_SECRETS.',
    { secret: true },
  )
  @IsOptional()
  @IsString()
  jwtSecret?: string;

  @Variable(
    'Sign-in',
    'Former values of JWT_SECRET, and the next one before it is used, separated by commas: what they signed is still accepted.',
    { secret: true },
  )
  @IsArray()
  @IsString({ each: true })
  jwtPreviousSecrets: string[] = [];

  @Variable(
    'Sign-in',
    'PEM files of Ed25519 or RSA keys, separated by commas. The first private one signs access tokens instead of JWT_SECRET, all verify; a public one only verifies. Others check tokens by /.well-known/jwks.json.',
  )
  @IsArray()
  @IsString({ each: true })
  jwtKeyFiles: string[] = [];

  @Variable('Sign-in', 'The iss claim that tokens carry and must carry.')
  @IsString()
  jwtIssuer: string = 'parley';

  @Variable('Sign-in', 'The aud claim that tokens carry and must carry.')
  @IsString()
  jwtAudience: string = 'parley-api';

  @Variable('Sign-in', 'Seconds an access token is valid.')
  @IsInt()
  @Min(10)
  @Max(86_400)
  jwtAccessTtlSeconds: number = 900;

  @Variable(
    'Sign-in',
    'Milliseconds between looks for sign-ins, API keys and users whose access has ended: for at most that long another instance still takes their tokens when its notice got lost.',
  )
  @IsInt()
  @Min(100)
  @Max(MAX_TIMER_MS)
  revocationPollMs: number = 2000;

  @Variable('Sign-in', 'Seconds a sign-in lives without being refreshed.')
  @IsInt()
  @Min(60)
  jwtRefreshTtlSeconds: number = 30 * 86_400;

  @Variable(
    'Sign-in',
    'Seconds a sign-in lives at most, however often it is refreshed; then the password is asked for again.',
  )
  @IsInt()
  @Min(60)
  signInMaxSeconds: number = 90 * 86_400;

  @Variable(
    'Sign-in',
    'Keys the hash under every password; at least 32 random characters. Made and kept in DATA_DIR in development. With a new one no stored password verifies and no API key works any more.',
    { secret: true },
  )
  @IsOptional()
  @IsString()
  passwordPepper?: string;

  @Variable(
    'Sign-in',
    'Encrypts the keys that encrypt secrets of users: `version:key`, separated by commas, each key 32 random bytes in base64 (`openssl rand -base64 32`). The first one is used for what is new, the others open what is older. Made and kept in DATA_DIR in development. Without the version that was used, what users stored secretly is lost.',
    { secret: true },
  )
  @IsOptional()
  @IsString()
  masterKeys?: string;

  @Variable('Sign-in', 'bcrypt cost of new passwords: each step doubles the time. Production refuses less than 10.')
  @IsInt()
  @Min(4)
  @Max(15)
  bcryptCost: number = 12;

  @Variable('Sign-in', 'Worker threads for hashing passwords and counting long texts.')
  @IsInt()
  @Min(1)
  @Max(16)
  workerThreads: number = 2;

  @Variable('Sign-in', 'Most passwords that wait for a worker thread; while there are more, sign-ins are answered 503.')
  @IsInt()
  @Min(1)
  @Max(10_000)
  passwordQueue: number = 32;

  @Variable(
    'Sign-in',
    'Users must verify their e-mail address: before the first sign-in, and before they write anything. Registering then answers 202 whether or not there is an account. Needs mail.',
  )
  @IsBoolean()
  requireVerifiedEmail: boolean = false;

  // Mail
  @Variable(
    'Mail',
    'Mail server, smtp://user:password@host:587 or smtps:// for TLS from the start; ?requireTLS=true refuses to send without. Empty: development writes mails to the log, production sends none and says so to who asks for one.',
    { secret: true },
  )
  @IsOptional()
  @IsUrl(smtp, { message: 'must be an smtp:// or smtps:// address' })
  smtpUrl?: string;

  @Variable('Mail', 'Sender of the mails, as an address or as Name <address>.')
  @Matches(/^(?:[^<>\r\n]+ <[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/, {
    message: 'must be an address or Name <address>',
  })
  mailFrom: string = 'Parley <parley@localhost>';

  @Variable(
    'Mail',
    'The web app that mails link to: its pages /reset-password and /verify-email get the token in the fragment, #token=….',
  )
  @IsUrl(url, { message: 'must be an http:// or https:// address' })
  appUrl: string = 'http://localhost:3000';

  @Variable('Mail', 'Milliseconds before a mail that failed is tried again; each further pause is four times as long.')
  @IsInt()
  @Min(1)
  mailRetryMs: number = 2000;

  // Limits
  @Variable('Limits', 'Requests from one address in an hour that send a mail or use a token from one.')
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  mailRequestsPerAddress: number = 30;

  @Variable('Limits', 'Mails to one address in an hour; what is more is not sent, and nobody is told.')
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  mailsPerRecipient: number = 5;

  @Variable('Limits', 'Wrong passwords for one account from one address in 15 minutes; more are answered 429.')
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  loginFailures: number = 10;

  @Variable(
    'Limits',
    'Wrong passwords from one address in 15 minutes, for accounts that were never signed in from there.',
  )
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  loginFailuresPerAddress: number = 100;

  @Variable(
    'Limits',
    'Wrong passwords for one account in an hour, from all addresses it was never signed in from. Owners at known addresses are not kept out.',
  )
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  loginFailuresPerAccount: number = 50;

  @Variable(
    'Limits',
    'Requests to sign in from one address in a minute, right or wrong, on each instance. They are counted before anything else is done with them.',
  )
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  signInRequestsPerAddress: number = 600;

  @Variable('Limits', 'Requests for a new account from one address in an hour.')
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  registrationsPerAddress: number = 30;

  @Variable('Limits', 'Exchanges of refresh tokens from one address in 15 minutes.')
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  refreshesPerAddress: number = 1000;

  @Variable(
    'Limits',
    'The plan of users who have none of their own: how many turns and tokens they have in a minute. free, pro and unlimited are there; admins change them and make others.',
  )
  @IsString()
  defaultPlan: string = 'free';

  @Variable(
    'Limits',
    'Tokens of answer that are taken from the limits before a turn, when neither it nor its project says max_output_tokens. Its end puts them right.',
  )
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  usualOutputTokens: number = 1000;

  // Model provider
  @Variable(
    'Model provider',
    'openai (or any compatible server by OPENAI_BASE_URL), openrouter, or offline: no model, a canned answer for trying things out. Development without it is offline; production must name one.',
  )
  @IsOptional()
  @IsIn(['openai', 'openrouter', 'offline'], { message: 'must be openai, openrouter or offline' })
  llmProvider?: string;

  @Variable('Model provider', 'Key for OPENAI_BASE_URL; compatible servers that need none take any word.', {
    secret: true,
  })
  @IsOptional()
  @IsString()
  openaiApiKey?: string;

  @Variable('Model provider', 'OpenAI or a compatible server, e.g. http://localhost:11434/v1 for Ollama.')
  @IsUrl(url, { message: 'must be an http:// or https:// address' })
  openaiBaseUrl: string = 'https://api.openai.com/v1';

  @Variable('Model provider', 'Model used when neither the request nor the project names one.')
  @IsString()
  openaiModel: string = 'gpt-4o-mini';

  @Variable('Model provider', 'Key for OpenRouter.', { secret: true })
  @IsOptional()
  @IsString()
  openrouterApiKey?: string;

  @Variable('Model provider', 'Address of OpenRouter, for a proxy in front of it.')
  @IsUrl(url, { message: 'must be an http:// or https:// address' })
  openrouterBaseUrl: string = 'https://openrouter.ai/api/v1';

  @Variable('Model provider', 'OpenRouter model used when neither the request nor the project names one.')
  @IsString()
  openrouterModel: string = 'openai/gpt-4o-mini';

  @Variable('Model provider', 'Milliseconds between two words of the offline provider.')
  @IsInt()
  @Min(0)
  @Max(10_000)
  offlineDelayMs: number = 15;

  @Variable('Model provider', 'Milliseconds to open a connection to the provider.')
  @IsInt()
  @Min(10)
  @Max(MAX_TIMER_MS)
  llmConnectTimeoutMs: number = 5000;

  @Variable('Model provider', 'Milliseconds until the first token of an answer; raise it for slow reasoning models.')
  @IsInt()
  @Min(10)
  @Max(MAX_TIMER_MS)
  llmFirstTokenTimeoutMs: number = 60_000;

  @Variable('Model provider', 'Milliseconds between two pieces of an answer.')
  @IsInt()
  @Min(10)
  @Max(MAX_TIMER_MS)
  llmIdleTimeoutMs: number = 30_000;

  @Variable('Model provider', 'Milliseconds for a whole answer.')
  @IsInt()
  @Min(10)
  @Max(MAX_TIMER_MS)
  llmTotalTimeoutMs: number = 600_000;

  @Variable(
    'Model provider',
    'Further attempts after a failure that may pass (429, 5xx, no connection), before the first token only.',
  )
  @IsInt()
  @Min(0)
  @Max(5)
  llmRetries: number = 2;

  @Variable(
    'Model provider',
    'Failures in a row after which a model of a provider is not asked any more, on all instances; so do 50 % of at least 20 calls in 30 seconds. Calls with a key of a project count for that key alone.',
  )
  @IsInt()
  @Min(1)
  @Max(1000)
  circuitFailures: number = 5;

  @Variable(
    'Model provider',
    'Milliseconds until one call finds out whether it is well again; twice as long after each that fails, up to two minutes.',
  )
  @IsInt()
  @Min(100)
  @Max(120_000)
  circuitOpenMs: number = 10_000;

  @Variable(
    'Model provider',
    'Milliseconds between looks for what other instances have found failing, in case their notice got lost.',
  )
  @IsInt()
  @Min(100)
  @Max(MAX_TIMER_MS)
  circuitPollMs: number = 5000;

  @Variable('Model provider', 'Answers of one provider that an instance waits for or reads at a time, at most.')
  @IsInt()
  @Min(1)
  @Max(100_000)
  llmCallsPerProvider: number = 2500;

  @Variable(
    'Model provider',
    "The same for each key that a project brings, so that nobody's slow server takes all places.",
  )
  @IsInt()
  @Min(1)
  @Max(100_000)
  llmCallsPerOwnKey: number = 500;

  @Variable(
    'Model provider',
    'Largest answer in characters; what a provider sends beyond is cut and the turn ends as `length`.',
  )
  @IsInt()
  @Min(1000)
  llmMaxAnswerChars: number = 1_000_000;

  @Variable(
    'Model provider',
    'Hosts that users may name as a provider of their own although they are not public, for models on a private network: names, addresses or networks (10.0.0.0/8), separated by commas. For these, http and any port are taken.',
  )
  @IsArray()
  @IsString({ each: true })
  providerUrlAllow: string[] = [];

  @Variable(
    'Model provider',
    'Name servers that resolve the hosts of providers that users name, as IP addresses, with :port if it is not 53. Empty: the name servers of the system. Hosts in PROVIDER_URL_ALLOW are always resolved by the system.',
  )
  @IsArray()
  @IsString({ each: true })
  providerDnsServers: string[] = [];

  // Chat
  @Variable(
    'Chat',
    'Cheap model that names a session after its first turn. Empty: the beginning of the first message is its name.',
  )
  @IsOptional()
  @IsString()
  titleModel?: string;

  @Variable('Chat', 'Hour of the day, in UTC, from which on sessions go that their projects keep no longer.')
  @IsInt()
  @Min(0)
  @Max(23)
  retentionHourUtc: number = 3;
  @Variable(
    'Chat',
    "Cheap model that sums up the oldest turns where a project wants that (`context_overflow`). Empty: the project's own model does.",
  )
  @IsOptional()
  @IsString()
  summaryModel?: string;

  @Variable('Chat', 'Milliseconds for a summary; without it the oldest turns are left out.')
  @IsInt()
  @Min(10)
  @Max(MAX_TIMER_MS)
  summaryTimeoutMs: number = 20_000;

  @Variable('Chat', 'Longest message or prompt in characters.')
  @IsInt()
  @Min(100)
  @Max(1_000_000)
  messageMaxChars: number = 100_000;

  @Variable(
    'Chat',
    "Tokens that prompts, history and the new message may take together, within the model's window; of models whose way to count is not known, seven tenths of it are used. History gives way first, oldest first.",
  )
  @IsInt()
  @Min(256)
  contextTokens: number = 16_000;

  @Variable('Chat', 'Most messages of history that are read for a turn.')
  @IsInt()
  @Min(0)
  @Max(1000)
  historyMessages: number = 50;

  @Variable(
    'Chat',
    'Answers that an instance writes at a time, at most. A message beyond that waits for TURN_WAIT_MS and is then answered 503, and nothing of it is stored.',
  )
  @IsInt()
  @Min(1)
  @Max(100_000)
  maxTurns: number = 3000;

  @Variable(
    'Chat',
    'Milliseconds a message waits for a place among MAX_TURNS, and a call for one among those of its provider.',
  )
  @IsInt()
  @Min(0)
  @Max(60_000)
  turnWaitMs: number = 1000;

  @Variable(
    'Chat',
    'Milliseconds by which the event loop may be late on average before new messages are answered 503; what runs goes on, and all else is still answered. 0 never refuses any.',
  )
  @IsInt()
  @Min(0)
  @Max(60_000)
  maxEventLoopDelayMs: number = 500;

  @Variable(
    'Chat',
    'Most tokens of an answer where a budget applies and neither the request nor the project names a number: they are reserved, so no more is asked for.',
  )
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  budgetOutputTokens: number = 4096;

  @Variable(
    'Chat',
    'What becomes of a turn where a budget applies and the price of the model is not known: refuse it, or allow it and count nothing.',
  )
  @IsIn(['refuse', 'allow'])
  budgetUnpricedModels: 'refuse' | 'allow' = 'refuse';

  @Variable('Chat', 'Milliseconds a running answer belongs to its instance without a sign of life.')
  @IsInt()
  @Min(1000)
  @Max(MAX_TIMER_MS)
  turnLeaseMs: number = 30_000;

  @Variable('Chat', 'Milliseconds between two looks for answers whose instance has died.')
  @IsInt()
  @Min(100)
  @Max(MAX_TIMER_MS)
  turnSweepMs: number = 5000;

  @Variable('Chat', 'Milliseconds between two writes of the text of running answers.')
  @IsInt()
  @Min(10)
  @Max(MAX_TIMER_MS)
  turnFlushMs: number = 500;

  @Variable('Chat', 'Milliseconds between two heartbeat comments on a stream.')
  @IsInt()
  @Min(100)
  @Max(MAX_TIMER_MS)
  sseHeartbeatMs: number = 15_000;

  @Variable(
    'Chat',
    'Milliseconds in which a client must take some of what waits for it on a stream, or it is disconnected. Its turn goes on.',
  )
  @IsInt()
  @Min(1000)
  sseStallMs: number = 30_000;
}
