import { registerDecorator } from 'class-validator';

/** Whether PostgreSQL can store the text as it is: it has no NUL, and no half of a surrogate pair (UTF-8 has no form for it). */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** Refuses text, or a list of texts, that could only be stored changed. */
export function IsStorableText(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isStorableText',
      target: target.constructor,
      propertyName: propertyName as string,
      validator: {
        validate: (value: unknown) => [value].flat().every((text) => typeof text !== 'string' || isStorable(text)),
        defaultMessage: () => 'must be valid Unicode without NUL characters',
      },
    });
}
