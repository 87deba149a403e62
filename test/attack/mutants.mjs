import { patch } from '../support/patch-program.mjs';

const AUTH = 'modules/auth/';
const HTTP = 'platform/http/';

/**
 * For every attack the server without what it is refused by: `--break <name>` must see something accepted. `program` changes
 * the copy of the built server, `database` the schema.
 */
export const MUTANTS = {
  enumeration: {
    without: 'the hash for nobody',
    program: patch(
      'platform/crypto/password-hasher.js',
      'const isMatch =',
      'if (hash === null) return false; const isMatch =',
    ),
  },
  'forged-tokens': {
    without: 'the check of whom a token is for',
    program: patch('platform/crypto/signed-tokens.js', ' && claims.aud === this.config.jwtAudience', ''),
  },
  ssrf: {
    without: 'the look at addresses when they are connected to',
    program: patch('platform/outbound/outbound-guard.js', '!addresses.every(isOpen)', 'false'),
  },
  injection: {
    without: 'the check for text that cannot be stored',
    program: patch(
      `${HTTP}storable-text.decorator.js`,
      `return !text.includes('\\0') && text.isWellFormed();`,
      'return true;',
    ),
  },
  markup: {
    without: 'the headers of security',
    program: patch('app.factory.js', 'const fixed = securityHeaders(config);', 'const fixed = {};'),
  },
  'mass-assignment': {
    without: 'the refusal of unknown fields',
    program: patch(`${HTTP}dto-maker.js`, 'this.note(pointer);', ''),
  },
  'refresh-tokens': {
    without: 'the end of a family at a replay',
    program: patch(`${AUTH}auth.service.js`, 'await this.devices.end(token.userId, token.signInId);', ''),
  },
  'one-time-codes': {
    without: 'the memory of codes that were shown',
    program: patch(`${AUTH}second-factors.repository.js`, 'lastStep: LessThan(step)', ''),
  },
  'brute-force': {
    without: 'the count of wrong passwords',
    program: patch(`${AUTH}login-throttle.js`, 'await this.limiter.take(...buckets)', 'await Promise.resolve()'),
  },
  'tenant-walk': {
    without: 'the owner of a project, in its repository and in the database',
    program: patch('modules/projects/projects.repository.js', /findOneBy\(\{\s*userId,\s*id/, 'findOneBy({ id'),
    database: 'create policy open on projects for select to parley_app using (true)',
  },
  limits: {
    without: 'the limits of levels and values',
    program: patch(`${HTTP}request-limits.js`, 'if (isWithin(body, MAX_LEVELS, MAX_VALUES))', 'if (true)'),
  },
  'slow-clients': {
    without: 'the look for slow clients',
    program: patch('app.factory.js', 'const TIMEOUT_CHECK_MS = 1000', 'const TIMEOUT_CHECK_MS = 600000'),
  },
  smuggling: {
    without: 'the strict parser',
    program: patch(
      'app.factory.js',
      'connectionsCheckingInterval: TIMEOUT_CHECK_MS',
      'connectionsCheckingInterval: TIMEOUT_CHECK_MS, insecureHTTPParser: true',
    ),
  },
  'slow-patterns': {
    without: 'a pattern for addresses that is linear',
    program: patch(
      `${AUTH}email.decorator.js`,
      /isEmail\(value, \{[^}]*\}\)/,
      '/^(([a-z0-9-])+.)+@[a-z.]+$/.test(value.slice(0, 40))',
    ),
  },
  idempotency: {
    without: 'the user of an Idempotency-Key, in its statement and in the database',
    program: patch(
      'platform/idempotency/idempotency.repository.js',
      'where user_id = :userId and',
      'where :userId::uuid is not null and',
    ),
    database: 'create policy open on idempotency_keys for select to parley_app using (true)',
  },
  cursors: {
    without: 'the check of signatures',
    program: patch('kernel/cursor.js', /if \(!this\.keys\.some\([^\n]*\) return null;/, ''),
  },
  preconditions: {
    without: 'the comparison of versions',
    program: patch(`${HTTP}etag.js`, '!ifMatch.includes(version)', 'false'),
  },
  origins: {
    without: 'the list of origins',
    program: patch('app.factory.js', 'origin: config.corsOrigins', 'origin: true'),
  },
  'mail-links': {
    without: 'the check of addresses',
    program: patch(`${AUTH}email.decorator.js`, /isEmail\(value, \{[^}]*\}\)/, 'true'),
  },
  'event-streams': {
    without: 'line ends that are escaped',
    program: patch(
      `${HTTP}sse.js`,
      'data: ${JSON.stringify(data)}',
      `data: \${JSON.stringify(data).replaceAll('\\\\n', '\\n')}`,
    ),
  },
  canaries: {
    without: 'the cut before the query, in the log of requests',
    program: patch('platform/observability/request-log.js', `request.url.split('?', 1)[0]`, 'request.url'),
  },
};
