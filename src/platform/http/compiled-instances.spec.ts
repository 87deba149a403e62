import 'reflect-metadata';
import { type ClassConstructor, Exclude, Expose, plainToInstance, Transform, Type } from 'class-transformer';
import { Allow } from 'class-validator';
import { compiledInstance } from './compiled-instances.js';

class Inner {
  @Allow()
  count: unknown;
}

class Outer {
  @Allow()
  plain: unknown;

  @Allow()
  preset: unknown = 'preset';

  @Allow()
  @Type(() => Inner)
  one: Inner;

  @Allow()
  @Type(() => Inner)
  many: Inner[];

  @Allow()
  @Type(() => Number)
  number: number;

  @Allow()
  @Type(() => Inner)
  several: Set<Inner>;

  @Allow()
  @Type((of) => (of?.object['plain'] === 'number' ? Number : Inner))
  either: Inner[];

  @Allow()
  @Transform(({ value }: { value: unknown }) => [value])
  wrapped: unknown;

  @Allow()
  @Type(() => Outer)
  again: Outer[];

  @Allow()
  method(): void {}

  @Allow()
  callback: unknown = () => 1;

  @Allow()
  get computed(): number {
    return 1;
  }

  undeclared: unknown;
}

class Renamed {
  @Allow()
  @Expose({ name: 'other' })
  field: unknown;
}

class Hidden {
  @Allow()
  @Exclude()
  field: unknown;
}

@Exclude()
class AllHidden {
  @Allow()
  field: unknown;
}

const byLibrary = (type: ClassConstructor<object>, given: object): object =>
  plainToInstance(type, given, { exposeUnsetFields: false });

describe('a compiled instance', () => {
  it.each<[Record<string, unknown>]>([
    [{}],
    [{ preset: 1, plain: 'a' }],
    [{ plain: null, preset: false }],
    [{ plain: ['a', 1, null] }],
    [{ one: { count: 1 }, many: [{ count: 1 }, {}] }],
    [{ one: [{ count: 1 }], many: { count: [1] } }],
    [{ one: 'text', many: ['text', null] }],
    [{ one: null, many: [] }],
  ])('of %j is the one that class-transformer makes', (given) => {
    const made = compiledInstance(Outer, given);
    // Comparing texts also compares the order of the fields.
    expect(JSON.stringify(made)).toBe(JSON.stringify(byLibrary(Outer, given)));
    expect(made).toStrictEqual(Object.assign(byLibrary(Outer, given), { callback: expect.any(Function) }));
  });

  it('shares no object with the input', () => {
    const given = { plain: ['a'], many: [{ count: 1 }] };
    const made = compiledInstance(Outer, given) as Outer;
    expect(made.plain).not.toBe(given.plain);
    expect(made.many).not.toBe(given.many);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a field without rules', { undeclared: 1 }],
    ['a field of no class', { toString: 1 }],
    ['a prototype', JSON.parse('{"__proto__":{"plain":1}}') as Record<string, unknown>],
    ['a field that is unset', { preset: undefined }],
    ['an object where no class is declared', { plain: {} }],
    ['an object in an array there', { plain: [{}] }],
    ['an array in an array', { many: [[]] }],
    ['an unknown field of an object in it', { one: { more: 1 } }],
    ['an object that is not plain', { one: new Date() }],
    ['a text to be made a number', { number: '1' }],
    ['a collection that is no array', { several: [{}] }],
    ['a class that depends on the object', { either: [{}] }],
    ['a conversion', { wrapped: 1 }],
    ['a class in itself', { again: [{}] }],
    ['a name that is a method', { method: 1 }],
    ['a name that is a function', { callback: 1 }],
    ['a name that is computed', { computed: 1 }],
  ])('is not made with %s', (_what, given) => {
    expect(compiledInstance(Outer, given)).toBeNull();
  });

  it.each([[Renamed], [Hidden], [AllHidden]])('is not made for %p, which selects its fields', (type) => {
    expect(compiledInstance(type, { field: 1 })).toBeNull();
    expect(compiledInstance(type, {})).toBeNull();
  });
});
