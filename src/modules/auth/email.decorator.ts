import { isEmail, registerDecorator } from 'class-validator';
import { isStorable } from '../../platform/http/storable-text.decorator.js';

/**
 * An e-mail address, with nothing in quotes: `"ada@example.com"@evil.example` is one by the letter of RFC 5321, and programs
 * do not agree where it goes, so its mails could prove an address to somebody else.
 */
export function IsEmailAddress(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isEmailAddress',
      target: target.constructor,
      propertyName: propertyName as string,
      validator: {
        // The rule of the library throws at half a surrogate pair.
        validate: (value: unknown) =>
          typeof value === 'string' && isStorable(value) && isEmail(value, { blacklisted_chars: '"' }),
        defaultMessage: () => 'must be an e-mail address',
      },
    });
}
