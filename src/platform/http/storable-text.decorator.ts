import { registerDecorator } from 'class-validator';

/** Whether PostgreSQL can store the text unchanged: it has no NUL and no lone surrogate, which UTF-8 cannot encode. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** Refuses a text, or a list of texts, that cannot be stored unchanged. */
export function IsStorableText(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isStorableText',
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        validate: (value: unknown) => [value].flat().every((text) => typeof text !== 'string' || isStorable(text)),
        defaultMessage: () => 'must be valid Unicode without NUL characters',
      },
    });
}
