import 'reflect-metadata';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { type ClassConstructor, plainToInstance } from 'class-transformer';
import { getMetadataStorage, validate, validateSync } from 'class-validator';
import { AppError } from '../../src/kernel/errors/app-error.js';
import { SendMessageRequest } from '../../src/modules/chat/turns/turn.dto.js';
import { fieldsAsGiven } from '../../src/platform/http/as-given.decorator.js';
import { ValidationPipe } from '../../src/platform/http/validation.pipe.js';

type Dto = ClassConstructor<object>;
type Fields = Record<string, unknown>;

const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url));
const REQUESTS_EACH = 300;
const UUID = '0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a';
const OWN_PROTOTYPE = JSON.parse('{"__proto__":{"count":1}}') as object;

const pipe = new ValidationPipe();
const rulesOf = (type: Dto): ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']> =>
  getMetadataStorage().getTargetValidationMetadatas(type, type.name, false, false);

/** Each class that a route takes as its body or its query. */
async function requestTypes(): Promise<Map<string, Dto>> {
  const found = new Map<string, Dto>();
  const names = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((n) => n.endsWith('.controller.ts'));
  for (const name of names) {
    const exported = (await import(join(SOURCES, name))) as Record<string, Dto>;
    for (const controller of Object.values(exported).filter((value) => typeof value === 'function')) {
      for (const type of typesOf(controller)) found.set(type.name, type);
    }
  }
  return found;
}

function typesOf(controller: Dto): Dto[] {
  const taken = new Set([RouteParamtypes.BODY, RouteParamtypes.QUERY].map(String));
  const methods = Object.getOwnPropertyNames(controller.prototype);
  return methods.flatMap((method) => {
    const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {}) as Record<
      string,
      { index: number }
    >;
    const types = Reflect.getMetadata('design:paramtypes', controller.prototype as object, method) as Dto[];
    const ours = Object.entries(args).filter(([key]) => taken.has(key.split(':')[0] as string));
    return ours.map(([, { index }]) => types[index] as Dto).filter((type) => rulesOf(type).length > 0);
  });
}

/** A linear congruential generator (Knuth's MMIX), so that every run tries the same. */
class Dice {
  private state: bigint;
  constructor(seed: string) {
    this.state = Buffer.from(seed).reduce((sum, byte) => sum * 31n + BigInt(byte), 1n);
  }
  below(count: number): number {
    this.state = (this.state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
    return Number((this.state >> 33n) % BigInt(count));
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

const TEXTS = [
  ...[
    '',
    ' ',
    'a',
    'abc',
    '20',
    '0',
    '1.5',
    '-1',
    'true',
    'false',
    'correct horse',
    'ada@example.com',
    ' Ada@Example.com ',
  ],
  ...[
    UUID,
    UUID.toUpperCase(),
    `${UUID} `,
    '2026-01-31',
    '2026-02-30',
    '2026-01-31T10:00:00Z',
    '123456',
    'sk-1234567890',
  ],
  ...['a\0b', 'a\ud83d', '\ude00b', '😀'.repeat(101), 'x'.repeat(201), 'x'.repeat(10_001), 'x'.repeat(100_001)],
];
const OTHERS: readonly unknown[] = [
  ...[null, undefined, true, false, 0, -0, 1, -1, 0.5, 1.5, 20, 101, 3651, 2 ** 31, 2 ** 53, 1e300, Number.NaN],
  ...[[], [''], ['a'], ['a', 'a'], [UUID], [1], [null], [undefined], [[]], [{}], Array(60).fill('a')],
  ...[{}, { a: 1 }, { a: { b: [{ c: null }] } }, { then: 1 }, { constructor: 'x' }, { length: 1 }, OWN_PROTOTYPE],
  ...[[{ type: 'text', text: 'a' }], [{ type: 'text', text: 'a', more: 1 }], { a: '\0' }, { toString: 1 }],
  JSON.parse('{"a":'.repeat(12) + '1' + '}'.repeat(12)),
];
const STRANGE_NAMES = ['nope', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'length', 'then'];

/** What may stand in a field, and what of it class-validator takes there. */
interface Choices {
  readonly name: string;
  readonly all: readonly unknown[];
  readonly fine: readonly unknown[];
}

function choicesOf(type: Dto): Choices[] {
  return [...new Set(rulesOf(type).map(({ propertyName }) => propertyName))].map((name) => {
    const listed = rulesOf(type).flatMap(({ propertyName, constraints }) =>
      propertyName === name && Array.isArray(constraints?.[0]) ? (constraints[0] as unknown[]) : [],
    );
    const all = [...TEXTS, ...OTHERS, ...listed, ...listed.map((item) => [item]), listed, ...nestedIn(type, name)];
    return { name, all, fine: all.filter((value) => isFine(type, name, value)) };
  });
}

function nestedIn(type: Dto, name: string): unknown[] {
  const made = (plainToInstance(type, { [name]: {} }) as Fields)[name];
  const nested = made?.constructor as Dto | undefined;
  if (typeof made !== 'object' || nested === undefined || rulesOf(nested).length === 0) return [];
  const dice = new Dice(nested.name);
  const choices = choicesOf(nested);
  const objects = Array.from({ length: 40 }, (_, index) => generate(dice, choices, index % 2 === 0));
  return [...objects, ...objects.map((object) => [object, dice.pick(objects)]), [[objects[0]]], [objects[0], 'text']];
}

function isFine(type: Dto, name: string, value: unknown): boolean {
  try {
    return !validateSync(byLibraries(type, { [name]: value })).some(({ property }) => property === name);
  } catch {
    return false;
  }
}

function generate(dice: Dice, choices: readonly Choices[], isFine: boolean): Fields {
  const given: Fields = {};
  const hasStranger = !isFine && dice.below(4) === 0;
  for (const { name, all, fine } of choices) {
    const isLeftOut = dice.below(4) === 0;
    const isWild = !isFine && dice.below(3) === 0;
    const value = dice.pick(isWild || fine.length === 0 ? all : fine);
    // JSON has no undefined.
    if (!isLeftOut && value !== undefined) given[name] = value;
  }
  if (!hasStranger) return given;
  // JSON has no undefined.
  const stranger = {
    value: dice.pick(OTHERS.filter((value) => value !== undefined)),
    enumerable: true,
    writable: true,
    configurable: true,
  };
  return Object.defineProperty(given, dice.pick(STRANGE_NAMES), stranger);
}

function byLibraries(type: Dto, given: Fields): object {
  const asGiven = Object.entries(given).filter(([name]) => fieldsAsGiven(type).includes(name));
  // null keeps their place among the fields.
  const others = { ...given, ...Object.fromEntries(asGiven.map(([name]) => [name, null])) };
  return Object.assign(plainToInstance(type, others, { exposeUnsetFields: false }), Object.fromEntries(asGiven));
}

/** The libraries ignore names of Object.prototype, at any depth. No class has such a field, so Parley refuses them. */
function hasInheritedName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, inside]) => name in Object.prototype || hasInheritedName(inside));
}

/** What class-transformer and class-validator alone make of it; null when it is refused. */
async function expected(type: Dto, given: Fields): Promise<object | null> {
  const read = Object.entries(given).filter(([name]) => !fieldsAsGiven(type).includes(name));
  if (hasInheritedName(Object.fromEntries(read))) return null;
  let dto: object;
  try {
    dto = byLibraries(type, given);
  } catch {
    return null;
  }
  const errors = await validate(dto, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
  return errors.length === 0 ? dto : null;
}

async function byPipe(type: Dto, given: Fields): Promise<object | null> {
  try {
    return (await pipe.transform(given, { type: 'body', metatype: type })) as object;
  } catch (error) {
    if (error instanceof AppError && error.code === 'validation_failed') return null;
    throw error;
  }
}

const types = await requestTypes();

describe('requests', () => {
  it('are tested for every class that a route accepts', () => {
    expect(types.get('SendMessageRequest')).toBe(SendMessageRequest);
    expect(types.size).toBeGreaterThan(20);
  });

  it.each([...types])(
    'of the class %s are accepted as class-transformer and class-validator alone accept them, with the same result',
    async (_name, type) => {
      const dice = new Dice(type.name);
      const choices = choicesOf(type);
      const different: unknown[] = [];
      const counts = { refused: 0, accepted: 0 };
      for (let n = 0; n < REQUESTS_EACH; n += 1) {
        const given = generate(dice, choices, n % 2 === 0);
        const answer = await byPipe(type, given);
        const wanted = await expected(type, given);
        // The texts have the order of fields.
        const isSame = isDeepStrictEqual(answer, wanted) && JSON.stringify(answer) === JSON.stringify(wanted);
        if (!isSame) different.push({ given, answer, wanted });
        counts[answer === null ? 'refused' : 'accepted'] += 1;
      }
      expect(different.slice(0, 3)).toEqual([]);
      // Else nothing has been compared.
      expect(counts.refused).toBeGreaterThan(20);
      expect(counts.accepted).toBeGreaterThan(20);
    },
  );
});
