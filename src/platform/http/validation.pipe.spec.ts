import type { ArgumentMetadata } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, IsObject, IsOptional, IsString, Min, ValidateNested } from 'class-validator';
import { AppError, type FieldError } from '../../kernel/errors/app-error.js';
import { Length } from './length.decorator.js';
import { IsSmallJson } from './small-json.decorator.js';
import { IsStorableText } from './storable-text.decorator.js';
import { ValidationPipe } from './validation.pipe.js';

class Inner {
  @IsInt({ message: 'must be whole' })
  count: number;
}

class Body {
  @IsString()
  @Length(2, 4)
  @IsStorableText()
  name: string;

  @IsOptional()
  @ValidateNested()
  @Type(() => Inner)
  inner?: Inner;

  @IsOptional()
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => Inner)
  inners?: Inner[];

  @IsOptional()
  @IsSmallJson()
  data?: Record<string, unknown>;

  @IsOptional()
  @IsStorableText()
  tags?: string[];
}

class Query {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  limit: number = 20;
}

const pipe = new ValidationPipe();
const body = (value: unknown): Promise<unknown> => pipe.transform(value, { type: 'body', metatype: Body });

async function errorsOf(work: Promise<unknown>): Promise<readonly FieldError[]> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AppError)) throw new Error(`not refused: ${String(error)}`);
  expect(error.code).toBe('validation_failed');
  return error.errors ?? [];
}
const pointersOf = async (value: unknown): Promise<string[]> =>
  (await errorsOf(body(value))).map(({ pointer }) => pointer);

describe('the validation pipe', () => {
  it('makes instances of the DTO and of nested DTOs', async () => {
    const dto = (await body({ name: 'abc', inner: { count: 1 } })) as Body;
    expect(dto).toBeInstanceOf(Body);
    expect(dto.inner).toBeInstanceOf(Inner);
    expect(dto).toEqual({ name: 'abc', inner: { count: 1 } });
  });

  it('leaves absent fields absent, so that a service can tell them from null', async () => {
    expect(Object.keys((await body({ name: 'abc' })) as object)).toEqual(['name']);
    expect(await body({ name: 'abc', data: null })).toEqual({ name: 'abc', data: null });
  });

  it('converts the texts of a query, applies defaults, and names a wrong parameter as ?name', async () => {
    const query = (value: unknown): Promise<unknown> => pipe.transform(value, { type: 'query', metatype: Query });
    expect(await query({})).toEqual({ limit: 20 });
    expect(await query({ limit: '7' })).toEqual({ limit: 7 });
    expect((await errorsOf(query({ limit: '0' }))).map(({ pointer }) => pointer)).toEqual(['?limit']);
    expect((await errorsOf(query({ page: '0' }))).map(({ pointer }) => pointer)).toEqual(['?page']);
  });

  it('ignores parameters that are neither body nor query, or have no class', async () => {
    for (const metadata of [
      { type: 'param', metatype: Body },
      { type: 'custom', metatype: Body },
      { type: 'body', metatype: Object },
      { type: 'body', metatype: String },
      { type: 'body' },
    ] as ArgumentMetadata[]) {
      const value = { anything: true };
      expect(await pipe.transform(value, metadata)).toBe(value);
    }
  });

  it('treats a missing body as an empty one', async () => {
    expect(await pointersOf(undefined)).toEqual(expect.arrayContaining(['/name']));
    expect(await pointersOf(null)).toEqual(expect.arrayContaining(['/name']));
  });

  it.each([[[]], [[{ name: 'abc' }]], ['text'], [7], [true]])('refuses %j as a whole', async (value) => {
    expect(await errorsOf(body(value))).toEqual([{ pointer: '', message: 'must be a JSON object' }]);
  });

  it('reports all errors at once, nested ones by their path, escaped as in RFC 6901', async () => {
    const pointers = await pointersOf({ name: 7, inner: { count: 'x', more: 1 }, 'a/b~c': 1 });
    expect(new Set(pointers)).toEqual(new Set(['/name', '/inner/count', '/inner/more', '/a~1b~0c']));
  });

  it('stops when there are more unknown fields than a response lists, wherever they are', async () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`n${i}`, 1]));
    expect(await pointersOf({ ...many, name: 7 })).toHaveLength(51);
    expect(await pointersOf({ name: 'abc', inner: many })).toHaveLength(51);
    expect(
      await pointersOf({ name: 'abc', inners: Array.from({ length: 50 }, () => ({ count: 1, x: 1, y: 1 })) }),
    ).toHaveLength(51);
  });

  it('refuses a list that is longer than any request needs, without checking its items', async () => {
    expect(await pointersOf({ name: Array(201).fill('x') })).toEqual(['/name']);
    expect(await pointersOf({ name: 'abc', inner: { count: Array(201).fill(1) } })).toEqual(['/inner/count']);
    expect(await pointersOf({ name: 'abc', inners: Array(51).fill({ count: 1 }) })).toEqual(['/inners']);
    expect(await body({ name: 'abc', inners: Array(50).fill({ count: 1 }), tags: Array(200).fill('x') })).toBeDefined();
    const data = { list: Array(5000).fill(1) };
    expect(await body({ name: 'abc', data })).toMatchObject({ data });
  });

  it('refuses a list in a list of objects, whatever it contains', async () => {
    expect(new Set(await pointersOf({ name: 'abc', inners: [[{ count: 1 }]] }))).toEqual(new Set(['/inners']));
  });

  it('says what is wrong without repeating the name', async () => {
    expect(await errorsOf(body({ name: 'abc', nope: 1 }))).toEqual([
      { pointer: '/nope', message: 'is not a field of this request' },
    ]);
    expect(await errorsOf(body({ name: 'abc', inner: { count: 0.5 } }))).toEqual([
      { pointer: '/inner/count', message: 'must be whole' },
    ]);
    const [first] = await errorsOf(body({ name: 7 }));
    expect(first?.message).not.toMatch(/^name/);
  });

  it('never repeats a value', async () => {
    const canary = 'canary'.repeat(10);
    const errors = await errorsOf(body({ name: canary, inner: { count: canary }, data: canary.repeat(1000) }));
    expect(JSON.stringify(errors)).not.toContain('canary');
  });

  it('counts characters as PostgreSQL does', async () => {
    for (const name of ['😀😀😀😀', '\u2764\ufe0f\u2764\ufe0f', 'ab']) expect(await body({ name })).toEqual({ name });
    for (const name of ['😀', 'a', '', '😀😀😀😀😀', '\u2764\ufe0f'.repeat(3)]) {
      expect(await pointersOf({ name })).toEqual(['/name']);
    }
  });

  it('refuses text that PostgreSQL cannot store, in a field and in a list', async () => {
    for (const text of ['a\0b', 'a\ud83d', '\ude00b']) {
      expect(await pointersOf({ name: text })).toEqual(['/name']);
      expect(await pointersOf({ name: 'abc', tags: ['fine', text] })).toEqual(['/tags']);
    }
  });

  it('passes free JSON on unchanged, whatever its names', async () => {
    const data = JSON.parse(
      '{"constructor":"x","toString":1,"then":{"constructor":null},"__proto__":{"a":1}}',
    ) as object;
    const dto = (await body({ name: 'abc', data })) as Body;
    expect(dto.data).toBe(data);
    expect(Object.getPrototypeOf(dto)).toBe(Body.prototype);
  });

  it('refuses a field named constructor, by which the rules of the class are found', async () => {
    expect(await pointersOf({ name: 'abc', constructor: Object })).toEqual(['/constructor']);
    expect(await pointersOf({ name: 'abc', inner: { count: 1, constructor: 1 } })).toEqual(['/inner/constructor']);
  });

  it.each<[string, unknown]>([
    ['names that class-transformer fails on', { constructor: 'x' }],
    ['any depth', JSON.parse('['.repeat(50_000) + ']'.repeat(50_000))],
  ])('refuses objects of %s where there should be none', async (_what, value) => {
    expect(new Set(await pointersOf({ name: value }))).toEqual(new Set(['/name']));
    expect(await pointersOf({ unknown: value, name: 'abc' })).toEqual(['/unknown']);
    expect(await pointersOf({ name: 'abc', inner: { count: 1, more: value } })).toEqual(['/inner/more']);
  });
});

describe('small JSON', () => {
  const at = (levels: number): unknown => JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels));

  it('has at most eight levels', async () => {
    expect(await body({ name: 'abc', data: at(8) })).toBeDefined();
    expect(await pointersOf({ name: 'abc', data: at(9) })).toEqual(['/data']);
    expect(await pointersOf({ name: 'abc', data: at(5000) })).toEqual(['/data']);
  });

  it('has at most 16 KiB of characters, all of them counted', async () => {
    const room = 16 * 1024 - '{"a":""}'.length;
    expect(await body({ name: 'abc', data: { a: 'x'.repeat(room) } })).toBeDefined();
    expect(await pointersOf({ name: 'abc', data: { a: 'x'.repeat(room + 1) } })).toEqual(['/data']);
  });

  it('contains no text and no name that jsonb refuses, but may contain similar ones', async () => {
    for (const text of ['\0', '\ud800', '\udc00x']) {
      for (const data of [{ a: text }, { [text]: 1 }, { a: [{ b: text }] }]) {
        expect(await pointersOf({ name: 'abc', data })).toEqual(['/data']);
      }
    }
    expect(await body({ name: 'abc', data: { a: '\\u0000 \\ud800 \u0001' } })).toBeDefined();
  });
});
