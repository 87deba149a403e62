import { readFileSync } from 'node:fs';
import { AppError } from '../../kernel/errors/app-error.js';

/**
 * The most common passwords of 8 characters and more, in lower case. They come from the 20,000 that leaked most often,
 * collected by Royce Williams and shipped with Django (BSD-3-Clause, see the licence beside the list).
 */
const LIST = new URL('./common-passwords.txt', import.meta.url);
/** The name of the product is easy to guess too. */
const PRODUCT = 'parley';

let common: ReadonlySet<string> | undefined;

/** The number of passwords in the list. */
export function commonPasswordCount(): number {
  return commonPasswords().size;
}

/**
 * Why a new password is refused, or null. Both sides are compared in lower case and in NFKC, so case and Unicode spelling
 * do not make a difference. There are no composition rules (NIST SP 800-63B): they make passwords worse. The DTO checks
 * the length.
 */
export function passwordProblem(password: string, email: string): string | null {
  const folded = fold(password);
  if (commonPasswords().has(folded)) return 'is one of the most common passwords';
  const own = new Set([PRODUCT, ...partsOf(fold(email))].flatMap((part) => [part, bare(part)]));
  own.delete('');
  return own.has(folded) || own.has(bare(folded))
    ? 'must not be made of the e-mail address or the name of this product'
    : null;
}

/** Throws `validation_failed` at the pointer when a new password is refused. */
export function requireGoodPassword(pointer: string, password: string, email: string): void {
  const problem = passwordProblem(password, email);
  if (problem !== null) throw AppError.invalid(pointer, problem);
}

function commonPasswords(): ReadonlySet<string> {
  common ??= new Set(readFileSync(LIST, 'utf8').split('\n').filter(Boolean).map(fold));
  return common;
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

/** `ada@mail.example.com` gives the whole address, `ada`, `mail.example.com`, `mail`, `example` and `com`. */
function partsOf(email: string): string[] {
  const at = email.lastIndexOf('@');
  const domain = email.slice(at + 1);
  return [email, email.slice(0, Math.max(at, 0)), domain, ...domain.split('.')];
}

/** Removes digits and punctuation at both ends: `ada1984!` is a variation of `ada`. */
function bare(text: string): string {
  return /\p{L}(?:.*\p{L})?/su.exec(text)?.[0] ?? '';
}
