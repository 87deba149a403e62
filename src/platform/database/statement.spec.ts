import {
  arrayOf,
  boolean,
  int,
  json,
  nullable,
  type Rows,
  type RowsOf,
  statement,
  type Statement,
  text,
  uuid,
} from './statement.js';

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
const same = <A, B>(isSame: Same<A, B>): void => expect(isSame).toBe(true);

const define = statement<{ id: string }>();

describe('a statement', () => {
  it('sends its parameters by number, in the order in which they are declared', () => {
    const find = define(
      'find',
      { userId: uuid, id: uuid },
      'select id where id = :id and (user_id = :userId or :id is null)',
    );
    expect(find({ id: 'i', userId: 'u' })).toEqual({
      name: 'find',
      text: 'select id where id = $2 and (user_id = $1 or $2 is null)',
      values: ['u', 'i'],
    });
  });

  it.each([
    ['a cast', `select :id::uuid::text`, `select $1::uuid::text`],
    ['a text', `select ':no', 'it''s :no', :id`, `select ':no', 'it''s :no', $1`],
    ['a text with escapes', `select e'\\':no', E'\\\\', :id`, `select e'\\':no', E'\\\\', $1`],
    ['a text in dollars', `select $$:no$$, $a$ $$:no$$ $a$, :id`, `select $$:no$$, $a$ $$:no$$ $a$, $1`],
    ['a quoted name', `select a as ":no", ":no""", :id`, `select a as ":no", ":no""", $1`],
    ['a comment', `select :id -- :no\n/* :no\n:no */`, `select $1 -- :no\n/* :no\n:no */`],
    ['the end of an array', `select a[1:2], :id`, `select a[1:2], $1`],
  ])('does not take %s for a parameter', (_what, sql, sent) => {
    expect(define('tricky', { id: uuid }, sql)({ id: 'i' }).text).toBe(sent);
  });

  it('cannot be defined with a parameter that it does not declare', () => {
    expect(() => define('typo', { id: uuid }, 'select :id, :idd')).toThrow('statement typo: :idd is not declared');
    expect(() => define('inherited', {}, 'select :toString')).toThrow('statement inherited: :toString is not declared');
  });

  it('cannot be defined with a parameter that it does not use', () => {
    const parameters = { id: uuid, day: int, month: int };
    expect(() => define('left', parameters, `select :id, ':day'`)).toThrow('statement left: not used: day, month');
  });

  it('cannot be defined with a number in place of a name', () => {
    expect(() => define('old', { id: uuid }, 'select :id, $1')).toThrow('statement old: $1 must be a name');
  });

  it('sends JSON as text, and null as null', () => {
    const put = define('put', { a: json, b: nullable(json), c: nullable(json) }, 'select :a, :b, :c');
    expect(put({ a: [1], b: null, c: { d: 1 } }).values).toEqual(['[1]', null, '{"d":1}']);
  });

  it('sends arrays as arrays, and their items as it would send them alone', () => {
    const put = define('put_all', { ids: arrayOf(uuid), facts: arrayOf(nullable(json)) }, 'select :ids, :facts');
    expect(put({ ids: ['a'], facts: [{ d: 1 }, null] }).values).toEqual([['a'], ['{"d":1}', null]]);
  });

  it('is typed by the compiler: its values', () => {
    const put = define('typed', { id: uuid, count: nullable(int), on: boolean }, 'select :id, :count, :on');
    same<Parameters<typeof put>[0], { readonly id: string; readonly count: number | null; readonly on: boolean }>(true);
    // @ts-expect-error a value is missing
    put({ id: 'i', on: true });
    // @ts-expect-error a value has another type
    put({ id: 1, count: null, on: true });
    // @ts-expect-error null is not declared
    put({ id: null, count: null, on: true });
    // @ts-expect-error there is no parameter of that name
    put({ id: 'i', count: 1, on: true, off: false });
    const union = define('union', { policy: text }, 'select :policy');
    union({ policy: 'queue' satisfies 'queue' | 'reject' });
  });

  it('is typed by the compiler: its rows', () => {
    same<
      RowsOf<readonly [Statement<{ id: string }>, Statement<{ count: number }>]>,
      [Rows<{ id: string }>, Rows<{ count: number }>]
    >(true);
    same<RowsOf<[Statement]>, [Rows]>(true);
    const ids: Statement<{ id: string }> = define('typed_rows', { id: uuid }, 'select :id as id')({ id: 'i' });
    // @ts-expect-error its rows have another type
    const counts: Statement<{ count: number }> = ids;
    expect(counts).toBe(ids);
  });
});
