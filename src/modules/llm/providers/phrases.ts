/** Parts of a phrase stand in this order, with anything between them. */
const GAP = '…';

/**
 * Whether a text in lower case has one of the phrases; `a … b` is a and, somewhere behind it, b. Not by regular expressions:
 * with gaps they would take the square of the length of a text, and the text is a stranger's.
 */
export function hasPhrase(text: string, phrases: readonly string[]): boolean {
  return phrases.some((phrase) => hasInOrder(text, phrase.split(` ${GAP} `)));
}

function hasInOrder(text: string, parts: readonly string[]): boolean {
  let from = 0;
  for (const part of parts) {
    const at = text.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
}
