import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { type ClassConstructor, plainToInstance } from 'class-transformer';
import { validate, type ValidationError } from 'class-validator';
import { AppError, type FieldError } from '../../kernel/errors/app-error.js';
import { fieldsAsGiven } from './as-given.decorator.js';

const UNKNOWN_FIELD = 'is not a field of this request';
const NATIVE = new Set<unknown>([String, Number, Boolean, Array, Object]);

/**
 * Turns a body or a query into its DTO, or answers 422 with every wrong place at once. Unknown fields are wrong:
 * a client learns of a misspelt field, and nobody assigns what was not meant to be assigned.
 */
@Injectable()
export class ValidationPipe implements PipeTransform {
  async transform(value: unknown, { type, metatype }: ArgumentMetadata): Promise<unknown> {
    if (metatype === undefined || NATIVE.has(metatype) || (type !== 'body' && type !== 'query')) return value;
    const given = value ?? {};
    if (typeof given !== 'object' || Array.isArray(given)) throw AppError.invalid('', 'must be a JSON object');
    const dto = toInstance(metatype as ClassConstructor<object>, given as Readonly<Record<string, unknown>>);
    const errors = await validate(dto, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
    if (errors.length > 0)
      throw new AppError('validation_failed', { errors: [...fieldErrors(errors, type === 'query' ? '?' : '/')] });
    return dto;
  }
}

function toInstance(type: ClassConstructor<object>, given: Readonly<Record<string, unknown>>): object {
  // class-transformer leaves this one out in silence, and class-validator finds its rules by it.
  if (Object.hasOwn(given, 'constructor')) throw AppError.invalid('/constructor', UNKNOWN_FIELD);
  const others = { ...given };
  const asGiven: Record<string, unknown> = {};
  for (const name of fieldsAsGiven(type)) {
    if (Object.hasOwn(others, name)) asGiven[name] = others[name];
    delete others[name];
  }
  try {
    return Object.assign(plainToInstance(type, others, { exposeUnsetFields: false }), asGiven);
  } catch (error) {
    // Objects of any depth and with any names, in fields that should not have objects.
    if (error instanceof RangeError || error instanceof TypeError) throw AppError.invalid('', 'has a malformed field');
    throw error;
  }
}

/** A field of the body as a JSON pointer (RFC 6901). */
export function pointerTo(field: string): string {
  return `/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function* fieldErrors(errors: readonly ValidationError[], prefix: string): Iterable<FieldError> {
  for (const { property, constraints, children } of errors) {
    const pointer = prefix + pointerTo(property).slice(1);
    for (const [rule, message] of Object.entries(constraints ?? {})) {
      yield {
        pointer,
        message: rule === 'whitelistValidation' ? UNKNOWN_FIELD : withoutName(message, property),
      };
    }
    if (children !== undefined && children.length > 0) yield* fieldErrors(children, `${pointer}/`);
  }
}

/** class-validator begins its messages with the property, which the pointer says already. */
function withoutName(message: string, property: string): string {
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}
