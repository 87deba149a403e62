import type { QueryResult } from 'pg';

/** A statement that PostgreSQL parses once per connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The rows of one statement, in the types that pg reads them in. */
export type Answer = Pick<QueryResult, 'rows'>;
