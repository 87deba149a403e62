import { resolve } from 'node:path';
import type { AppConfig } from './app-config.js';
import { ConfigError } from './platform/config/settings.js';

type Failure = Error & { readonly code?: string; readonly syscall?: string; readonly path?: string };

/** Explains to the person who starts the server why it did not start and what to do. Never contains a password. */
export function explainFailure(error: unknown, config: AppConfig | undefined): string {
  if (error instanceof ConfigError) return ['Cannot start:', ...error.problems.map((line) => `  ${line}`)].join('\n');
  const failure: Failure = error instanceof Error ? error : new Error(String(error));
  const known = listenProblem(failure, config) ?? fileProblem(failure);
  if (known !== undefined) return known;
  const isVerbose = config !== undefined && ['debug', 'trace'].includes(config.logLevel);
  const text = isVerbose && failure.stack !== undefined ? failure.stack : failure.message.replaceAll(/\s+/g, ' ');
  return `Parley could not start: ${withoutPasswords(text)}`;
}

function listenProblem({ code, syscall, message }: Failure, config: AppConfig | undefined): string | undefined {
  if (config === undefined || (syscall !== 'listen' && syscall !== 'getaddrinfo')) return undefined;
  const { host, port } = config;
  switch (code ?? '') {
    case 'EADDRINUSE': {
      const other = port < 65_535 ? port + 1 : 8000;
      return `Port ${port} is already in use. Stop the other program or choose another port: PORT=${other} npm start`;
    }
    case 'EACCES':
      return `This account may not listen on port ${port}. Choose a port above 1023: PORT=8000 npm start`;
    default:
      return `Cannot listen on HOST=${host} (${message}). Use localhost, 0.0.0.0 or an address of this machine.`;
  }
}

function fileProblem({ code, path }: Failure): string | undefined {
  if (path === undefined) return undefined;
  switch (code ?? '') {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `This account cannot access ${path}. Grant it access, or choose another directory: DATA_DIR=…`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `A directory is needed at ${path}, but a file is in its place. Remove the file, or choose another directory: DATA_DIR=…`;
    default:
      return undefined;
  }
}

function withoutPasswords(text: string): string {
  return text.replaceAll(/(\w+:\/\/[^\s:/@]*):[^\s@]*@/g, '$1:***@');
}

/** The first lines that a person sees: the address of the server, the model, the location of the data, and what to try first. */
export function banner(config: AppConfig, address: string, database: string): string {
  const insecure = config.tlsCertFile === undefined ? '' : 'k';
  const body = `'{"email":"me@example.com","password":"correct horse battery"}'`;
  const lines = [
    '',
    `  Parley is ready: ${address}`,
    '',
    ...(config.docsEnabled ? [`  Docs   ${address}/docs`] : []),
    `  Model  ${modelLine(config)}`,
    `  Data   ${database}`,
    '',
    '  Try it: npm run demo',
    `  or:     curl -s${insecure} ${address}/auth/register -H 'content-type: application/json' -d ${body}`,
    '',
    ...hints(config),
  ];
  return `${lines.join('\n')}\n`;
}

function modelLine({ llmProvider, openaiModel, openaiBaseUrl, openrouterModel, openrouterBaseUrl }: AppConfig): string {
  if (llmProvider === 'openai') return `openai: ${openaiModel} at ${withoutPasswords(openaiBaseUrl)}`;
  if (llmProvider === 'openrouter') return `openrouter: ${openrouterModel} at ${withoutPasswords(openrouterBaseUrl)}`;
  return 'offline, with canned answers: set LLM_PROVIDER=openai and OPENAI_API_KEY to use a model';
}

function hints(config: AppConfig): string[] {
  if (config.llmProvider !== undefined) return [];
  const unused = [
    ['OPENAI_API_KEY', config.openaiApiKey, 'openai'],
    ['OPENROUTER_API_KEY', config.openrouterApiKey, 'openrouter'],
  ].filter(([, key]) => key !== undefined);
  return unused.map(
    ([name, , provider]) => `  Hint: ${name} is set but not used. Add LLM_PROVIDER=${provider} to use it.\n`,
  );
}

/** The location of the data: the directory of the embedded server, or the address of the database without its password. */
export function databaseLine(config: AppConfig, embeddedPort: number | undefined): string {
  if (embeddedPort !== undefined) {
    return `${resolve(config.dataDir)} (embedded PostgreSQL on port ${embeddedPort}; delete the directory to start over)`;
  }
  const { hostname, port, pathname } = new URL(config.databaseUrl ?? '');
  return `PostgreSQL at ${hostname}:${port || 5432}${pathname}`;
}
