/**
 * The floor plan: who may import whom. It runs with lint (`depcruise src`), and test/architecture/architecture.spec.ts
 * shows of every rule that it can fail. Type imports count as imports, unless a rule says otherwise.
 */

/** Which other modules a module may use, by their front doors. A module that is not in this table may not exist. */
export const MAY_IMPORT = {
  users: [],
  limits: [],
  llm: [],
  usage: [],
  auth: ['users'],
  projects: [],
  privacy: ['auth', 'projects'],
  prompts: ['projects'],
  admin: ['users', 'auth', 'limits', 'usage'],
  'provider-keys': ['projects', 'llm'],
  chat: ['projects', 'prompts', 'provider-keys', 'llm', 'usage', 'limits'],
  'openai-api': ['chat', 'projects', 'llm'],
};

/**
 * The rooms of chat, from the top down: a room uses those below it. Below all of them stand turn.ts and message.entity.ts,
 * the words that they share.
 */
export const ROOMS_OF_CHAT = ['turns', 'running', 'following', 'context', 'messages', 'sessions', 'storage', 'public'];

/** The files that look across tenants, and why. */
const SYSTEM_SCOPE_USERS = [
  '^src/platform/database/database\\.module\\.ts$', // provides it
  '^src/modules/users/users\\.repository\\.ts$', // sign-in by e-mail: nobody is signed in yet
  '^src/modules/auth/api-keys\\.repository\\.ts$', // sign-in by key, and when keys of all users were last used
  '^src/modules/auth/sign-ins\\.repository\\.ts$', // the sweep: sign-ins of all users
  '^src/modules/chat/storage/turn-claims\\.ts$', // leases and takeovers: turns of all users
  '^src/platform/crypto/data-keys\\.repository\\.ts$', // rotation: whose data keys an older master key wraps
  '^src/platform/crypto/content-keys\\.repository\\.ts$', // and whose keys of projects
  '^src/platform/jobs/nightly-jobs\\.ts$', // what all instances do once: it is nobody's
  '^src/modules/privacy/retention\\.repository\\.ts$', // projects of all users in which something is due
  '^src/modules/privacy/public/retention\\.ts$', // by type: the command line applies it
  '^src/platform/idempotency/idempotency\\.repository\\.ts$', // the sweep: keys of all users
  '^src/platform/rate-limit/rate-limiter\\.ts$', // who is limited may not be signed in yet
  '^src/platform/circuits/circuits\\.repository\\.ts$', // what no instance should call for the moment
  '^src/platform/revocations/revocations\\.repository\\.ts$', // every instance knows the revocations of all users
  '^src/platform/audit/audit\\.repository\\.ts$', // verifying: the chains of all users
  '^src/modules/limits/plans\\.repository\\.ts$', // at the start nobody is signed in: is there the default plan
  '^src/modules/limits/turn-buckets\\.repository\\.ts$', // the sweep: buckets of all users
  '^src/modules/admin/admin\\.repository\\.ts$', // what all users have used
  '^src/modules/usage/entries\\.repository\\.ts$', // estimated calls of all users, to be compared with the provider's records
  '^src/modules/usage/prices\\.repository\\.ts$', // prices are nobody's, and only this role may load them
  '^src/modules/usage/public/price-list\\.ts$', // by type: the command line loads a list
  '^src/modules/users/public/user-administration\\.ts$', // by type: the command line finds an account by e-mail
  '^src/cli/database-command\\.ts$', // verifying the log, making an admin: without the web framework that would make it
];

/** What starts: everything else must be reachable from here. */
const ENTRIES = '^src/(main|cli)\\.ts$';

/** Reached by what no import shows: a worker thread is started from its address, declarations are the compiler's alone. */
const REACHED_OTHERWISE = ['\\.worker\\.mjs$', '\\.d\\.ts$'];

const WORDS_OF_CHAT = '^src/modules/chat/(turn|message\\.entity)\\.ts$';

const MODULES = Object.keys(MAY_IMPORT);
const inside = (...modules) => `^src/modules/(${modules.join('|')})/`;

const rule = (name, comment, from, to) => ({ name, severity: 'error', comment, from, to });

const floors = [
  rule(
    'kernel-is-pure',
    'The kernel is plain TypeScript: it imports itself and what Node.js brings.',
    { path: '^src/kernel/' },
    { pathNot: '^src/kernel/', dependencyTypesNot: ['core'] },
  ),
  rule(
    'platform-knows-no-feature',
    'The platform would serve another product as well. Give it what it needs from above, by a token or an argument.',
    { path: '^src/platform/' },
    { path: '^src/modules/' },
  ),
  rule(
    'nothing-imports-the-roof',
    'The roof wires the house; whatever a lower floor needs from it belongs on a lower floor.',
    { path: '^src/(kernel|platform|modules)/' },
    { path: '^src/([^/]+\\.ts$|cli/)' },
  ),
  rule('no-cycles', 'Two files that need each other are one file, or three.', {}, { circular: true }),
];

const modules = [
  ...Object.entries(MAY_IMPORT).map(([module, others]) =>
    rule(
      `imports-of-${module}`,
      `${module} may use ${others.length === 0 ? 'no other module' : others.join(', ')}. The table is MAY_IMPORT.`,
      { path: inside(module) },
      { path: '^src/modules/', pathNot: inside(module, ...others) },
    ),
  ),
  rule(
    'every-module-is-in-the-table',
    'A new module takes its place in MAY_IMPORT first.',
    { path: '^src/modules/', pathNot: inside(...MODULES) },
    { path: '.' },
  ),
  rule(
    'modules-by-front-door',
    'Another module is entered by its x.module.ts or by its public/ folder.',
    { path: '^src/modules/([^/]+)/' },
    {
      path: '^src/modules/',
      pathNot: ['^src/modules/$1/', '^src/modules/[^/]+/public/', '^src/modules/([^/]+)/\\1\\.module\\.ts$'],
    },
  ),
  rule(
    'roof-by-front-door',
    'So does the roof. Only src/entities.ts takes the entities, because somebody has to name all tables in one place.',
    { path: '^src/([^/]+\\.ts$|cli/)', pathNot: '^src/entities\\.ts$' },
    { path: '^src/modules/', pathNot: ['^src/modules/[^/]+/public/', '^src/modules/([^/]+)/\\1\\.module\\.ts$'] },
  ),
  rule(
    'entities-lists-entities',
    'src/entities.ts names the tables and does nothing else.',
    { path: '^src/entities\\.ts$' },
    { pathNot: '\\.entity\\.ts$' },
  ),
];

const chat = [
  ...ROOMS_OF_CHAT.map((room, i) =>
    rule(
      `chat-${room}-looks-down`,
      `What chat/${room} needs from a room above it belongs into a room below both. The order is ROOMS_OF_CHAT.`,
      { path: `^src/modules/chat/${room}/` },
      {
        path: '^src/modules/chat/',
        pathNot: [`^src/modules/chat/(${ROOMS_OF_CHAT.slice(i).join('|')})/`, WORDS_OF_CHAT],
      },
    ),
  ),
  rule(
    'chat-words-use-no-room',
    'turn.ts and message.entity.ts are used by every room of chat, and use none.',
    { path: WORDS_OF_CHAT },
    { path: '^src/modules/chat/', pathNot: WORDS_OF_CHAT },
  ),
  rule(
    'chat-has-these-rooms',
    'A new file of chat goes into one of ROOMS_OF_CHAT; a new room takes its place there first.',
    { path: '^src/' },
    {
      path: '^src/modules/chat/',
      pathNot: [
        `^src/modules/chat/(${ROOMS_OF_CHAT.join('|')})/`,
        WORDS_OF_CHAT,
        '^src/modules/chat/chat\\.module\\.ts$',
      ],
    },
  ),
];

const data = [
  rule(
    'typeorm-in-its-place',
    'TypeORM is known to repositories, entities and platform/database; services speak the language of the product.',
    { path: '^src/', pathNot: ['\\.repository\\.ts$', '\\.entity\\.ts$', '^src/platform/database/'] },
    { path: 'node_modules/(typeorm|@types/typeorm)/' },
  ),
  rule(
    'pg-in-its-place',
    'The driver is known to platform/database alone.',
    { path: '^src/', pathNot: '^src/platform/database/' },
    { path: 'node_modules/(pg|pg-pool|@types/pg)/' },
  ),
  rule(
    'prom-client-in-its-place',
    'Metrics are made by platform/observability/metrics.ts, which bounds what their labels say.',
    { path: '^src/', pathNot: '^src/platform/observability/' },
    { path: 'node_modules/prom-client/' },
  ),
  rule(
    'controllers-touch-no-data',
    'A controller asks its service. It may name the type of a row that it presents.',
    { path: '\\.controller\\.ts$' },
    {
      path: ['(\\.entity|-store)\\.ts$', '^src/platform/database/'],
      dependencyTypesNot: ['type-only'],
    },
  ),
  rule(
    'controllers-know-no-repository',
    'Not even by type.',
    { path: '\\.controller\\.ts$' },
    { path: '(\\.repository|-statements)\\.ts$' },
  ),
  rule(
    'system-scope-is-rare',
    'Whoever looks across tenants is named in SYSTEM_SCOPE_USERS with a reason.',
    { path: '^src/', pathNot: SYSTEM_SCOPE_USERS },
    { path: '^src/platform/database/system-scope\\.ts$' },
  ),
  rule(
    'migrations-stand-alone',
    'A migration says for ever what it said on its day: it imports nothing that changes, and only the data source knows it.',
    { path: '^migrations/' },
    { pathNot: 'node_modules/typeorm/' },
  ),
  rule(
    'migrations-are-run-by-the-data-source',
    'Only platform/database/data-source.ts lists the migrations.',
    { path: '^src/', pathNot: '^src/platform/database/data-source\\.ts$' },
    { path: '^migrations/' },
  ),
];

const order = [
  rule(
    'no-barrels',
    'Import from the file that has it; an index.ts only hides where.',
    {},
    { path: ['^src/index\\.ts$', '/index\\.ts$'], pathNot: 'node_modules' },
  ),
  rule(
    'no-unused-files',
    'Nothing that starts reaches this file. Delete it, or name why it is there in REACHED_OTHERWISE.',
    { path: ENTRIES },
    { path: '^src/', pathNot: ['^src/(main|cli)\\.ts$', ...REACHED_OTHERWISE], reachable: false },
  ),
  rule(
    'no-tests-in-the-product',
    'What runs in production needs nothing from test/.',
    { path: '^(src|migrations)/' },
    { path: '^test/|\\.(e2e-)?spec\\.ts$' },
  ),
  rule(
    'no-dev-dependencies',
    'An installation with --omit=dev has to start. Types may come from dev dependencies: they are gone by then.',
    { path: '^(src|migrations)/' },
    {
      dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
      dependencyTypesNot: ['type-only'],
      pathNot: 'node_modules/@types/',
    },
  ),
  rule('no-dangling-imports', 'The file or package is not there.', {}, { couldNotResolve: true }),
];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [...floors, ...modules, ...chat, ...data, ...order],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Tests beside the code may reach further than the code.
    exclude: { path: '\\.spec\\.ts$' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'] },
  },
};
