import { createRequire } from 'node:module';
import { type ClassConstructor, TransformationType } from 'class-transformer';
import { getMetadataStorage } from 'class-validator';

// The package does not export it by name; @nestjs/mapped-types reads it from the same place.
const { defaultMetadataStorage: transforms } = createRequire(import.meta.url)(
  'class-transformer/cjs/storage.js',
) as typeof import('class-transformer/types/storage.js');

type Fields = Readonly<Record<string, unknown>>;

interface Shape {
  readonly type: ClassConstructor<object>;
  /** The fields that need no class-transformer, each with the shape of its objects; null if it must not contain objects. */
  readonly fields: ReadonlyMap<string, Shape | null>;
}

const shapes = new WeakMap<object, Shape | null>();

/**
 * Makes the same instance as plainToInstance with `exposeUnsetFields: false`. Returns null if only class-transformer can
 * make it: for fields without rules or with conversions, and for objects without a declared class. class-transformer looks
 * up every decorator for each field of each object. The instance shares no object with the input. Throws if the constructor throws.
 */
export function compiledInstance(type: ClassConstructor<object>, given: Fields): object | null {
  const shape = shapeOf(type);
  return shape === null ? null : make(shape, given);
}

function make({ type, fields }: Shape, given: Fields): object | null {
  const made = new type() as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    const shape = fields.get(name);
    if (shape === undefined) return null;
    const value = copy(given[name], shape);
    if (value === undefined) return null;
    made[name] = value;
  }
  return made;
}

/** Undefined if class-transformer must handle the value. */
function copy(value: unknown, shape: Shape | null): unknown {
  if (!Array.isArray(value)) return copyItem(value, shape);
  const items = value.map((item) => copyItem(item, shape));
  return items.includes(undefined) ? undefined : items;
}

function copyItem(value: unknown, shape: Shape | null): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const isPlain = Object.getPrototypeOf(value) === Object.prototype;
  return shape !== null && isPlain ? (make(shape, value as Fields) ?? undefined) : undefined;
}

function shapeOf(type: ClassConstructor<object>): Shape | null {
  const known = shapes.get(type);
  if (known !== undefined) return known;
  // A class that contains itself could be nested as deeply as the client likes: class-transformer handles it.
  shapes.set(type, null);
  const shape = compile(type);
  shapes.set(type, shape);
  return shape;
}

function compile(type: ClassConstructor<object>): Shape | null {
  const isPicky =
    transforms.getStrategy(type) !== 'none' ||
    transforms.getExposedMetadatas(type).length > 0 ||
    transforms.getExcludedMetadatas(type).length > 0;
  if (isPicky) return null;
  const fields = new Map<string, Shape | null>();
  const blank = new type() as Fields;
  const rules = getMetadataStorage().getTargetValidationMetadatas(type, type.name, false, false);
  for (const name of new Set(rules.map(({ propertyName }) => propertyName))) {
    // class-transformer sets neither methods nor properties that only have a getter.
    if (name in type.prototype || typeof blank[name] === 'function') continue;
    const shape = shapeOfField(type, name);
    if (shape !== undefined) fields.set(name, shape);
  }
  return { type, fields };
}

/** Undefined if class-transformer must handle the field. */
function shapeOfField(type: ClassConstructor<object>, name: string): Shape | null | undefined {
  if (transforms.findTransformMetadatas(type, name, TransformationType.PLAIN_TO_CLASS).length > 0) return undefined;
  const declared = transforms.findTypeMetadata(type, name);
  if (declared === undefined) return null;
  const { typeFunction, reflectedType, options } = declared;
  if (typeFunction === undefined || typeFunction.length > 0 || options?.discriminator !== undefined) return undefined;
  const nested = typeFunction() as ClassConstructor<object>;
  // Objects of a class with rules, alone or in an array: no String, Date or Set.
  if (reflectedType !== Array && reflectedType !== nested) return undefined;
  const shape = shapeOf(nested);
  return shape !== null && shape.fields.size > 0 ? shape : undefined;
}
