import { isJsonObject, type JsonObject } from './json-fields.js';

const OPEN = '<think>';
const CLOSE = '</think>';
/** So many blanks at the beginning are text of the answer, as they would be without this reader. */
const MAX_BLANKS = 256;

/** The reasoning in a delta or message, in the first of the fields in use that has any; empty when there is none. */
export function reasoningOf(piece: JsonObject): string {
  const { reasoning_content: content, reasoning, reasoning_details: details } = piece;
  if (typeof content === 'string' && content !== '') return content;
  if (typeof reasoning === 'string' && reasoning !== '') return reasoning;
  return Array.isArray(details) ? details.map(textOfDetail).join('') : '';
}

/** The reasoning in one part of a content that comes in parts, as Mistral's does. */
export function reasoningOfPart(part: JsonObject): string {
  if (part.type !== 'thinking' && part.type !== 'reasoning') return '';
  const { thinking } = part;
  if (Array.isArray(thinking)) return thinking.map(textOfDetail).join('');
  return typeof thinking === 'string' ? thinking : textOfDetail(part);
}

/** Encrypted details have no text. */
function textOfDetail(detail: unknown): string {
  if (!isJsonObject(detail)) return '';
  if (typeof detail.text === 'string') return detail.text;
  return typeof detail.summary === 'string' ? detail.summary : '';
}

/**
 * Tells apart the reasoning that a model writes into its text, as `<think>…</think>` at the beginning, and the answer.
 * Only as much is held back as could still become a tag.
 */
export class OpeningThought {
  /** What follows is text of the answer only. */
  isOver = false;
  private state: 'before' | 'inside' | 'behind' = 'before';
  private held = '';
  private thought = '';

  /** Returns the part that is text of the answer. */
  read(text: string): string {
    this.held += text;
    if (this.state === 'before') this.readBefore();
    if (this.state === 'inside') this.readInside();
    return this.state === 'behind' ? this.readBehind() : '';
  }

  /** The reasoning since the last call. */
  takeThought(): string {
    const { thought } = this;
    this.thought = '';
    return thought;
  }

  /** The answer has ended: returns the text that was held back. */
  end(): string {
    this.isOver = true;
    const { held } = this;
    this.held = '';
    if (this.state !== 'inside') return held;
    this.thought += held;
    return '';
  }

  private readBefore(): void {
    const start = this.held.trimStart();
    // Blanks before a tag mean nothing; models that repeat them without end must not fill the memory.
    if (this.held.length - start.length > MAX_BLANKS) {
      this.isOver = true;
      this.state = 'behind';
      return;
    }
    if (start.startsWith(OPEN)) {
      this.state = 'inside';
      this.held = start.slice(OPEN.length);
    } else if (!OPEN.startsWith(start)) {
      this.isOver = true;
      this.state = 'behind';
    }
  }

  private readInside(): void {
    const end = this.held.indexOf(CLOSE);
    const until = end === -1 ? this.held.length - heldOf(this.held) : end;
    this.thought += this.held.slice(0, until);
    this.held = this.held.slice(end === -1 ? until : end + CLOSE.length);
    if (end !== -1) this.state = 'behind';
  }

  /** The answer begins after the blank lines behind the closing tag. */
  private readBehind(): string {
    const text = this.isOver ? this.held : this.held.trimStart();
    this.held = '';
    if (text !== '') this.isOver = true;
    return text;
  }
}

/** How many characters at the end of the text could be the beginning of the closing tag. */
function heldOf(text: string): number {
  for (let length = Math.min(CLOSE.length - 1, text.length); length > 0; length--) {
    if (CLOSE.startsWith(text.slice(-length))) return length;
  }
  return 0;
}
