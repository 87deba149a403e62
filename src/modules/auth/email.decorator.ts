import { isEmail, registerDecorator } from 'class-validator';
import { isStorable } from '../../platform/http/storable-text.decorator.js';

/**
 * An e-mail address without a quoted part. RFC 5321 allows `"ada@example.com"@evil.example`, but programs disagree on
 * where its e-mails go, so a verification e-mail could reach somebody else.
 */
export function IsEmailAddress(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isEmailAddress',
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        // The library throws for half a surrogate pair.
        validate: (value: unknown) =>
          typeof value === 'string' && isStorable(value) && isEmail(value, { blacklisted_chars: '"' }),
        defaultMessage: () => 'must be an e-mail address',
      },
    });
}
