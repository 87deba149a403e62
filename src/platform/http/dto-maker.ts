import { createRequire } from 'node:module';
import { type ClassConstructor, plainToInstance } from 'class-transformer';
import { getMetadataStorage, ValidationTypes } from 'class-validator';
import { AppError, type FieldError } from '../../kernel/errors/app-error.js';
import { fieldsAsGiven } from './as-given.decorator.js';
import { compiledInstance } from './compiled-instances.js';
import { MAX_LISTED_ERRORS, pointerTo } from './problem.js';

// The package does not export it by name; @nestjs/mapped-types reads it from the same place.
const { defaultMetadataStorage: types } = createRequire(import.meta.url)(
  'class-transformer/cjs/storage.js',
) as typeof import('class-transformer/types/storage.js');

type Fields = Readonly<Record<string, unknown>>;
type DtoClass = ClassConstructor<object>;

/** The fields of a class. A field with objects of another class, or a list of them, has that class as its value. */
type Shape = ReadonlyMap<string, DtoClass | null>;

const UNKNOWN_FIELD = 'is not a field of this request';
/** Each item may have errors of its own. No request has this many objects. */
const MAX_OBJECTS = MAX_LISTED_ERRORS;
/** Some rules compare items with each other. The longest list of any request is that of the prompts of a project. */
const MAX_ITEMS = 200;

const shapes = new WeakMap<DtoClass, Shape>();

/**
 * Makes an instance of a DTO class from a body or a query, and collects the fields that the class does not have.
 * class-transformer and class-validator take tens of microseconds for each name and each item, even for those that they
 * refuse, and a body may have 20,000. So they receive only declared fields, and no list longer than any request needs.
 */
export class DtoMaker {
  /** Unknown fields so far, each with its pointer. */
  readonly unknown: FieldError[] = [];

  /**
   * @param prefix of the field names in a pointer: `/`, `?`, or `/params/`
   * Throws `validation_failed` for a list that is too long, or when there are more unknown fields than a response lists.
   */
  make(type: DtoClass, given: Fields, prefix: string): object {
    const shape = shapeOf(type);
    const asGiven = fieldsAsGiven(type);
    const simple: Record<string, unknown> = {};
    const whole: Record<string, unknown> = {};
    for (const name of Object.keys(given)) {
      const value = given[name];
      const nested = shape.get(name);
      const pointer = prefix + pointerTo(name).slice(1);
      if (nested === undefined) {
        this.note(pointer);
        continue;
      }
      const isObject = typeof value === 'object' && value !== null;
      // null keeps the place of an object, so the DTO has its fields in the order of the request.
      simple[name] = isObject ? null : value;
      if (!isObject) continue;
      // Lists and objects without a class go to their rules unchanged.
      if (asGiven.includes(name)) whole[name] = value;
      else whole[name] = nested === null ? bounded(value, MAX_ITEMS, pointer) : this.nest(nested, value, pointer);
    }
    const dto = compiledInstance(type, simple) ?? plainToInstance(type, simple, { exposeUnsetFields: false });
    return Object.assign(dto, whole);
  }

  private nest(type: DtoClass, value: object, pointer: string): object {
    if (!Array.isArray(value)) return this.make(type, value as Fields, `${pointer}/`);
    return bounded(value, MAX_OBJECTS, pointer).map((item: unknown, i) => {
      if (typeof item !== 'object' || item === null) return item;
      // A list in a list is refused, whatever it contains.
      return Array.isArray(item) ? [] : this.make(type, item as Fields, `${pointer}/${i}/`);
    });
  }

  private note(pointer: string): void {
    this.unknown.push({ pointer, message: UNKNOWN_FIELD });
    if (this.unknown.length > MAX_LISTED_ERRORS) throw new AppError('validation_failed', { errors: this.unknown });
  }
}

function bounded<T extends object>(value: T, maxItems: number, pointer: string): T {
  if (Array.isArray(value) && value.length > maxItems) {
    throw AppError.invalid(pointer, `must have at most ${maxItems} items`);
  }
  return value;
}

function shapeOf(type: DtoClass): Shape {
  let shape = shapes.get(type);
  if (shape === undefined) shapes.set(type, (shape = readShape(type)));
  return shape;
}

function readShape(type: DtoClass): Shape {
  const shape = new Map<string, DtoClass | null>();
  for (const { propertyName, type: rule } of getMetadataStorage().getTargetValidationMetadatas(
    type,
    '',
    false,
    false,
  )) {
    const isNested = rule === ValidationTypes.NESTED_VALIDATION;
    const declared = isNested ? types.findTypeMetadata(type, propertyName)?.typeFunction() : undefined;
    shape.set(propertyName, (declared as DtoClass | undefined) ?? shape.get(propertyName) ?? null);
  }
  return shape;
}
