import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  Allow,
  IsInt,
  IsOptional,
  IsNotEmpty,
  IsString,
  registerDecorator,
  Validate,
  ValidateIf,
  ValidateNested,
  ValidatePromise,
  ValidatorConstraint,
} from 'class-validator';
import { isSurelyValid } from './compiled-rules.js';

class Inner {
  @IsInt()
  count: number;
}

class Outer {
  @IsString()
  name: string;

  @IsOptional()
  @IsString({ each: true })
  tags?: unknown;

  @IsOptional()
  @IsNotEmpty({ each: true })
  filled?: unknown;

  @ValidateIf(({ name }: Outer) => name === 'nested')
  @ValidateNested()
  @Type(() => Inner)
  inner?: unknown;

  @Allow()
  anything?: unknown;
}

const outer = (fields: object): Outer => Object.assign(new Outer(), { name: 'a' }, fields);
const inner = (count: unknown): Inner => Object.assign(new Inner(), { count });

/** A class with a valid text field that has one decorator. */
function classWith(decorator: PropertyDecorator): object {
  class One {
    field = 'text';
  }
  decorator(One.prototype, 'field');
  return new One();
}

const answering = (answer: unknown): PropertyDecorator => {
  return (target, propertyName) =>
    registerDecorator({
      name: 'answering',
      target: target.constructor,
      propertyName: propertyName as string,
      validator: { validate: () => answer as boolean },
    });
};

/** An asynchronous rule: a synchronous check would ignore its result and its error. */
@ValidatorConstraint({ async: true })
class LaterConstraint {
  validate(): boolean {
    return true;
  }
}

describe('compiled rules', () => {
  it('accept an object that has all required fields, and no others', () => {
    expect(isSurelyValid(outer({}))).toBe(true);
    expect(isSurelyValid(outer({ tags: ['a', 'b'], anything: Symbol('any') }))).toBe(true);
    expect(isSurelyValid(new Outer())).toBe(false);
    expect(isSurelyValid(outer({ name: 7 }))).toBe(false);
    expect(isSurelyValid(outer({ more: undefined }))).toBe(false);
    expect(isSurelyValid(outer({ toString: 1 }))).toBe(false);
  });

  it('apply a rule with `each` to every item of an array, and leave other collections to class-validator', () => {
    expect(isSurelyValid(outer({ tags: 'a' }))).toBe(true);
    expect(isSurelyValid(outer({ tags: ['a', 7] }))).toBe(false);
    expect(isSurelyValid(outer({ filled: ['a', ''] }))).toBe(false);
    for (const filled of [new Set(['']), new Map([['a', '']])]) expect(isSurelyValid(outer({ filled }))).toBe(false);
  });

  it('skip a field whose condition is false, and no other', () => {
    expect(isSurelyValid(outer({ inner: 'ignored' }))).toBe(true);
    expect(isSurelyValid(outer({ name: 'nested', inner: 'not ignored' }))).toBe(false);
  });

  it('check nested objects and arrays of them', () => {
    for (const fine of [undefined, inner(1), [inner(1), inner(2)], []]) {
      expect(isSurelyValid(outer({ name: 'nested', inner: fine }))).toBe(true);
    }
    const more = Object.assign(inner(1), { more: 1 });
    for (const wrong of [
      null,
      inner('x'),
      [inner(1), inner('x')],
      more,
      [null],
      [[inner(1)]],
      { count: 1 },
      new Map(),
    ]) {
      expect(isSurelyValid(outer({ name: 'nested', inner: wrong }))).toBe(false);
    }
  });

  it('do not accept an object with unsupported rules, even if it is valid', () => {
    expect(isSurelyValid(classWith(IsString()))).toBe(true);
    for (const decorator of [
      IsString({ groups: ['some'] }),
      IsString({ always: true }),
      IsString({ validateIf: () => true }),
      ValidatePromise(),
      Validate(LaterConstraint),
      answering(Promise.resolve(true)),
      answering('yes'),
    ]) {
      expect(isSurelyValid(classWith(decorator))).toBe(false);
    }
  });

  it('do not accept an object whose class has no rules, or that names its own class', () => {
    for (const object of [{}, [], new Map(), new (class Bare {})()]) expect(isSurelyValid(object)).toBe(false);
    for (const constructor of ['Outer', null, {}]) expect(isSurelyValid(outer({ constructor }))).toBe(false);
    expect(isSurelyValid(Object.create(null) as object)).toBe(false);
  });
});
