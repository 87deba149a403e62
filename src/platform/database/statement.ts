/** The rows of one statement, with the types that pg returns. */
export type Rows<Row extends object = object> = Row[];

declare const ROW: unique symbol;

/** A statement that PostgreSQL parses once per connection, under its name. Its rows have the type `Row`. */
export interface Statement<Row extends object = object> {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
  /** Tells the compiler the type of the rows. No statement has this property. */
  readonly [ROW]?: Row;
}

/** The rows of several statements, in their order. */
export type RowsOf<S extends readonly Statement[]> = {
  -readonly [I in keyof S]: S[I] extends Statement<infer Row> ? Rows<Row> : never;
};

/** The type that a caller passes for a parameter, and how it is sent. */
export interface Parameter<T> {
  /** Converts the value to what pg can send. Without it, pg gets the value itself. */
  encode?(this: void, value: T): unknown;
}

type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** The values of a statement, by the names of its parameters. */
export type ValuesOf<P extends Parameters> = { readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never };

export const uuid: Parameter<string> = {};
export const text: Parameter<string> = {};
export const int: Parameter<number> = {};
export const boolean: Parameter<boolean> = {};
export const bytea: Parameter<Buffer> = {};
export const timestamptz: Parameter<Date> = {};

/** A JSON column: callers pass the value itself. */
export const json: Parameter<object> = { encode: (value) => JSON.stringify(value) };

export function nullable<T>({ encode }: Parameter<T>): Parameter<T | null> {
  return encode === undefined ? {} : { encode: (value) => (value === null ? null : encode(value)) };
}

export function arrayOf<T>({ encode }: Parameter<T>): Parameter<readonly T[]> {
  return encode === undefined ? {} : { encode: (values) => values.map(encode) };
}

/**
 * Defines a statement whose SQL names its parameters, such as `:claimId`. The order of their declarations determines their
 * numbers: the first is sent as `$1`. Call the result with the values to get a `Statement`. For example
 * `const FIND = statement<{ title: string }>()('session_find', { userId: uuid, id: uuid }, 'select title … where id = :id …')`.
 * There are two calls, because TypeScript cannot infer the parameters when the row type is given.
 *
 * Throws when the module is loaded, if a parameter is declared but not used, used but not declared, or written as a number.
 */
export function statement<Row extends object>(): <P extends Parameters>(
  name: string,
  parameters: P,
  sql: string,
) => (values: ValuesOf<P>) => Statement<Row> {
  return (name, parameters, sql) => {
    const sent = withNumbers(name, Object.keys(parameters), sql);
    const bindings = Object.entries(parameters).map(([key, { encode }]) => ({ key, encode }));
    return (values) => {
      const given: Readonly<Record<string, unknown>> = values;
      return {
        name,
        text: sent,
        values: bindings.map(({ key, encode }) => (encode === undefined ? given[key] : encode(given[key]))),
      };
    };
  };
}

// First everything that is no parameter: texts, quoted names, dollar-quoted texts, comments, casts. Then a number, then a name.
const TOKEN =
  /\be'(?:\\.|''|[^'\\])*'|'(?:''|[^'])*'|"(?:""|[^"])*"|\$([a-z_]\w*)?\$[^]*?\$\1\$|--[^\n]*|\/\*[^]*?\*\/|::|\$(\d+)|:([a-z_]\w*)/gi;

/** The SQL with numbers instead of names, as PostgreSQL takes it. */
function withNumbers(statementName: string, parameters: readonly string[], sql: string): string {
  const unused = new Set(parameters);
  const toNumber = (found: string, _tag?: string, number?: string, name?: string): string => {
    if (number !== undefined) throw new Error(`statement ${statementName}: ${found} must be a name`);
    if (name === undefined) return found;
    unused.delete(name);
    const index = parameters.indexOf(name);
    if (index < 0) throw new Error(`statement ${statementName}: ${found} is not declared`);
    return `$${index + 1}`;
  };
  const numbered = sql.replace(TOKEN, toNumber);
  if (unused.size > 0) throw new Error(`statement ${statementName}: not used: ${[...unused].join(', ')}`);
  return numbered;
}
