import { existsSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigError } from '../platform/config/load-config.js';
import { type Environment, Interrupted, UsageError } from './command.js';

const USAGE = `Usage: node dist/src/cli.js <command> [options]     (or: npm run <command> -- [options])

  migrate           bring the database to the newest migration
  audit verify      hash the audit log of every user anew; code 1 when one was changed
  keys rotate       wrap all data keys by the first of MASTER_KEYS, while the servers run
  retention run     delete the sessions that projects keep no longer, now
  admin grant <e-mail>    make an account an admin's
  admin revoke <e-mail>   make it a user's again
  prices load <file>      load a list of prices, in place of what is known of the same models and days
  demo              play a first chat and print it
    --url <address>   against this server; without it the one that runs here, else one of its own
    --keep            keep the demo's account instead of deleting it
  openapi           write the API's contract to openapi.json
    --out <file>      to this file instead
  schema            write the schema of the database to docs/schema.sql
    --out <file>      to this file instead
  config-example    write every setting with its default to .env.example
    --out <file>      to this file instead
  config-table      write every setting into the table of README.md
    --out <file>      into the table of this file instead
`;

type Options = NonNullable<ParseArgsConfig['options']>;
const OUT = { out: { type: 'string' } } as const satisfies Options;
const DEMO = { url: { type: 'string' }, keep: { type: 'boolean' } } as const satisfies Options;

// Each command loads only what it needs, when it is called: --help must not wait for a web framework.
const COMMANDS: Readonly<Record<string, (args: string[], env: Environment) => Promise<void>>> = {
  migrate: async (args, env) => {
    read(args, {});
    await (await import('./migrate.command.js')).migrateCommand(env);
  },
  audit: async ([verb, ...args], env) => {
    if (verb !== 'verify') throw new UsageError('audit: verify is all it can do.');
    read(args, {});
    await (await import('./audit.command.js')).auditVerifyCommand(env);
  },
  keys: async ([verb, ...args], env) => {
    if (verb !== 'rotate') throw new UsageError('keys can only: rotate');
    read(args, {});
    await (await import('./keys.command.js')).rotateKeysCommand(env);
  },
  retention: async ([verb, ...args], env) => {
    if (verb !== 'run') throw new UsageError('retention can only: run');
    read(args, {});
    await (await import('./retention.command.js')).retentionRunCommand(env);
  },
  admin: async ([verb, email, ...args], env) => {
    if ((verb !== 'grant' && verb !== 'revoke') || email === undefined) {
      throw new UsageError('admin: say grant or revoke, and whose e-mail address.');
    }
    read(args, {});
    await (await import('./admin.command.js')).adminCommand(verb, email, env);
  },
  prices: async ([verb, file, ...args], env) => {
    if (verb !== 'load' || file === undefined) throw new UsageError('prices: say load, and which file.');
    read(args, {});
    await (await import('./prices.command.js')).loadPricesCommand(file, env);
  },
  demo: async (args, env) => {
    const options = read(args, DEMO);
    await (await import('./demo.command.js')).demoCommand({ url: options.url, keep: options.keep ?? false }, env);
  },
  openapi: async (args) => {
    const { out = 'openapi.json' } = read(args, OUT);
    await (await import('./openapi.command.js')).openApiCommand(out);
  },
  schema: async (args) => {
    const { out = 'docs/schema.sql' } = read(args, OUT);
    await (await import('./schema.command.js')).schemaCommand(out);
  },
  'config-example': async (args) => {
    const { out = '.env.example' } = read(args, OUT);
    (await import('./config.commands.js')).configExampleCommand(out);
  },
  'config-table': async (args) => {
    const { out = 'README.md' } = read(args, OUT);
    (await import('./config.commands.js')).configTableCommand(out);
  },
};

/** Runs one command and resolves with the exit code: 0 done, 1 failed, 2 not understood, 130 interrupted. Never rejects. */
export async function runCommand([name, ...args]: string[], env: Environment): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(USAGE);
    return 0;
  }
  try {
    const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name ?? ''] : undefined;
    if (command === undefined) throw new UsageError(name === undefined ? 'No command given.' : `No command "${name}".`);
    if (existsSync('.env')) process.loadEnvFile('.env');
    await command(args, env);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return 130;
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${USAGE}`);
      return 2;
    }
    console.error(`${name}: ${oneLine(error)}`);
    return 1;
  }
}

function read<const O extends Options>(args: string[], options: O) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function oneLine(error: unknown): string {
  if (error instanceof ConfigError) return error.problems.join('; ');
  return (error instanceof Error ? error.message || error.name : String(error)).replaceAll(/\s+/g, ' ');
}
