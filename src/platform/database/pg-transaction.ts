import { DatabaseError, type PoolClient, Query } from 'pg';
import { prepareValue } from 'pg/lib/utils.js';
import { isId } from '../../kernel/ids.js';
import type { Tenant } from './pg-pool.js';
import type { Rows, Statement } from './statement.js';

const TENANT = {
  name: 'set_tenant',
  text: `select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true)`,
};

/** A statement with its values in the form that the protocol takes. */
export interface SendableStatement extends Statement {
  readonly values: readonly (string | Buffer | null)[];
}

/** What `transact` sends to run the statements as a tenant. Throws for a tenant or a value that cannot be sent. */
export function sendable(tenant: Tenant, statements: readonly Statement[]): SendableStatement[] {
  return [tenantStatement(tenant), ...statements].map(({ name, text, values }) => ({
    name,
    text,
    values: values.map(prepareValue),
  }));
}

/**
 * Runs the statements in one transaction and one round trip: they share one Sync, which commits all of them, or none after
 * an error (PostgreSQL's manual, “Extended Query”, pipelining). Returns the rows of each statement; the statement that sets
 * the tenant comes first. Statements that the connection has not parsed yet are parsed in the same round trip, once. pg's
 * own queries would ask for the columns each time and send a Sync each.
 */
export async function transact(client: PoolClient, all: readonly SendableStatement[]): Promise<Rows[]> {
  const sent: Promise<unknown>[] = [];
  const shapes = shapesOf(client);
  const { stream } = shapes.connection;
  const unparsed = shapes.unknownOf(all);
  stream.cork();
  try {
    for (const statement of unparsed) sent.push(shapes.prepare(statement));
    sent.push(ask(client, (callback) => new Transaction(all, shapes, callback)));
  } finally {
    stream.uncork();
  }
  const outcomes = await Promise.allSettled(sent);
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));
  // Statements after a failed one fail too, with less specific errors; but a lost connection is the most specific error.
  const failure = failures.find((error) => !(error instanceof DatabaseError)) ?? failures[0];
  if (failure !== undefined) {
    // pg creates the error where it reads the socket, so its stack would not show the caller.
    Error.captureStackTrace(failure);
    throw failure;
  }
  return (outcomes.at(-1) as PromiseFulfilledResult<Rows[]>).value;
}

function tenantStatement({ userId, projectId = null }: Tenant): Statement {
  if (!isId(userId)) throw new TypeError('tenant is not an id');
  if (projectId !== null && !isId(projectId)) throw new TypeError('project is not an id');
  return { ...TENANT, values: [userId, projectId ?? ''] };
}

type Callback<T> = (error: Error | null, result?: T) => void;

/** The part of a query in pg's client that is replaced here. */
interface DrivenQuery {
  callback: Callback<never>;
}

/** pg's connection, which writes protocol messages. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void };
  readonly parsedStatements: Readonly<Record<string, string>>;
  parse(statement: { name: string; text: string }): void;
  describe(what: { type: 'S'; name: string }): void;
  bind(portal: { statement: string; values: SendableStatement['values'] }): void;
  execute(portal: object): void;
  sync(): void;
}

/** How the rows of a statement are read: pg's Result, which knows the columns. */
interface Shape {
  parseRow(fields: readonly (string | null)[]): object;
}

// In pipeline mode, pg accepts only its own class and subclasses of it.
const PgQuery = Query as unknown as new (config: { name?: string; text: string }) => DrivenQuery;

function ask<T>(client: PoolClient, make: (callback: Callback<T>) => DrivenQuery): Promise<T> {
  return new Promise((resolve, reject) => {
    client.query(make((error, result) => (error === null ? resolve(result as T) : reject(error))) as never);
  });
}

/** Parses a statement and asks for its columns, without running it. */
class Preparation extends PgQuery {
  constructor(
    private readonly prepared: Statement,
    callback: Callback<Shape>,
  ) {
    super({ name: prepared.name, text: prepared.text });
    this.callback = callback;
  }

  submit(connection: Wire): null {
    const { name, text } = this.prepared;
    if (connection.parsedStatements[name] === undefined) connection.parse({ name, text });
    connection.describe({ type: 'S', name });
    connection.sync();
    return null;
  }
}

class Transaction extends PgQuery {
  private readonly results: Rows[] = [];
  private read: object[] = [];
  private failure: Error | null = null;

  constructor(
    readonly statements: readonly SendableStatement[],
    private readonly shapes: Shapes,
    callback: Callback<Rows[]>,
  ) {
    super({ text: '' });
    this.callback = callback;
  }

  submit(connection: Wire): null {
    for (const { name, values } of this.statements) {
      connection.bind({ statement: name, values });
      connection.execute({});
    }
    connection.sync();
    return null;
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    const name = this.statements[this.results.length]?.name ?? '';
    try {
      this.read.push(this.shapes.of(name).parseRow(fields));
    } catch (error) {
      this.failure ??= error as Error;
    }
  }

  handleCommandComplete(): void {
    this.results.push(this.read);
    this.read = [];
  }

  handleReadyForQuery(): void {
    this.callback(this.failure, this.results as never);
  }
}

/** The statements that a connection has parsed. */
class Shapes {
  private readonly known = new Map<string, { readonly text: string; readonly shape?: Shape }>();
  readonly connection: Wire;

  constructor(private readonly client: PoolClient) {
    this.connection = (client as unknown as { connection: Wire }).connection;
  }

  /** The statements whose columns the connection does not know yet. Throws if the name of one belongs to another statement. */
  unknownOf(statements: readonly Statement[]): Statement[] {
    const unknown = new Map<string, Statement>();
    for (const statement of statements) {
      const { name, text } = statement;
      const known = this.known.get(name);
      const parsed = (known ?? unknown.get(name))?.text ?? this.connection.parsedStatements[name] ?? text;
      if (parsed !== text) throw new Error(`two statements are called ${name}`);
      if (known === undefined) unknown.set(name, statement);
    }
    return [...unknown.values()];
  }

  /** Stores the columns as soon as the server has described them: the rows may arrive in the same read of the socket. */
  prepare(statement: Statement): Promise<void> {
    const { name, text } = statement;
    this.known.set(name, { text });
    return ask(this.client, (callback: Callback<void>) => {
      const onTold: Callback<Shape> = (error, shape) => {
        if (shape === undefined) this.known.delete(name);
        else this.known.set(name, { text, shape });
        callback(error);
      };
      return new Preparation(statement, onTold);
    });
  }

  of(name: string): Shape {
    return this.known.get(name)?.shape as Shape;
  }
}

const SHAPES = new WeakMap<PoolClient, Shapes>();

function shapesOf(client: PoolClient): Shapes {
  let shapes = SHAPES.get(client);
  if (shapes === undefined) SHAPES.set(client, (shapes = new Shapes(client)));
  return shapes;
}
