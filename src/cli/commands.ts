import { existsSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigError } from '../platform/config/settings.js';
import { type Environment, Interrupted, UsageError } from './command.js';

const USAGE = `Usage: node dist/src/cli.js <command> [options]     (or: npm run <command> -- [options])

  migrate                 run the missing migrations
  audit verify            verify the audit log of every user; exit code 1 if one was changed
  keys rotate             re-encrypt all data keys with the first key of MASTER_KEYS, while the servers run
  retention run           delete the sessions that have passed the retention of their project, now
  admin grant <e-mail>    make an account an admin
  admin revoke <e-mail>   make an admin an ordinary user again
  prices load <file>      load a price list; it replaces prices of the same model and start date
  demo                    play a first chat and print it
    --url <address>       use this server instead of the local one or a temporary one
    --keep                keep the account of the demo instead of deleting it
  openapi                 write the contract of the API to openapi.json
    --out <file>          write to this file instead
  schema                  write the schema of the database to docs/schema.sql
    --out <file>          write to this file instead
  config-example          write every setting with its default to .env.example
    --out <file>          write to this file instead
  config-table            write every setting into the tables of docs/configuration.md
    --out <file>          write into the table of this file instead
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
    if (verb !== 'verify') throw new UsageError('Expected: audit verify');
    read(args, {});
    await (await import('./audit.command.js')).auditVerifyCommand(env);
  },
  keys: async ([verb, ...args], env) => {
    if (verb !== 'rotate') throw new UsageError('Expected: keys rotate');
    read(args, {});
    await (await import('./keys.command.js')).rotateKeysCommand(env);
  },
  retention: async ([verb, ...args], env) => {
    if (verb !== 'run') throw new UsageError('Expected: retention run');
    read(args, {});
    await (await import('./retention.command.js')).retentionRunCommand(env);
  },
  admin: async ([verb, email, ...args], env) => {
    if ((verb !== 'grant' && verb !== 'revoke') || email === undefined) {
      throw new UsageError('Expected: admin grant <e-mail> or admin revoke <e-mail>');
    }
    read(args, {});
    await (await import('./admin.command.js')).adminCommand(verb, email, env);
  },
  prices: async ([verb, file, ...args], env) => {
    if (verb !== 'load' || file === undefined) throw new UsageError('Expected: prices load <file>');
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
    const { out = 'docs/configuration.md' } = read(args, OUT);
    (await import('./config.commands.js')).configTableCommand(out);
  },
};

/** Runs one command and resolves with the exit code: 0 done, 1 failed, 2 invalid command line, 130 interrupted. Never rejects. */
export async function runCommand([name, ...args]: string[], env: Environment): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(USAGE);
    return 0;
  }
  try {
    const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name ?? ''] : undefined;
    if (command === undefined)
      throw new UsageError(name === undefined ? 'A command is missing.' : `Unknown command "${name}".`);
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
