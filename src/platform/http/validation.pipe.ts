import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';
import { validate, type ValidationError } from 'class-validator';
import { AppError, type FieldError } from '../../kernel/errors/app-error.js';
import { isSurelyValid } from './compiled-rules.js';
import { DtoMaker } from './dto-maker.js';
import { pointerTo } from './problem.js';

const NATIVE = new Set<unknown>([String, Number, Boolean, Array, Object]);

/**
 * Turns a body or a query into its DTO, or responds with 422 and all errors at once. Unknown fields are errors, so that
 * clients notice misspelt fields, and no field is set by accident.
 */
@Injectable()
export class ValidationPipe implements PipeTransform {
  async transform(value: unknown, { type, metatype }: ArgumentMetadata): Promise<unknown> {
    if (metatype === undefined || NATIVE.has(metatype) || (type !== 'body' && type !== 'query')) return value;
    const given = value ?? {};
    if (typeof given !== 'object' || Array.isArray(given)) throw AppError.invalid('', 'must be a JSON object');
    const maker = new DtoMaker();
    const prefix = type === 'query' ? '?' : '/';
    const dto = maker.make(metatype as ClassConstructor<object>, given as Readonly<Record<string, unknown>>, prefix);
    if (maker.unknown.length === 0 && isSurelyValid(dto)) return dto;
    const wrong = await validate(dto, { forbidUnknownValues: false });
    const errors = [...maker.unknown, ...fieldErrors(wrong, prefix)];
    if (errors.length > 0) throw new AppError('validation_failed', { errors });
    return dto;
  }
}

function* fieldErrors(errors: readonly ValidationError[], prefix: string): Iterable<FieldError> {
  for (const { property, constraints, children } of errors) {
    const pointer = prefix + pointerTo(property).slice(1);
    for (const message of Object.values(constraints ?? {})) yield { pointer, message: withoutName(message, property) };
    if (children !== undefined && children.length > 0) yield* fieldErrors(children, `${pointer}/`);
  }
}

/** Removes the property from the start of class-validator's messages, because the pointer names it already. */
function withoutName(message: string, property: string): string {
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}
