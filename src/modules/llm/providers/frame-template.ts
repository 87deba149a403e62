import { isJsonObject, parseJson } from './json-fields.js';

/** Characters that JSON writes differently inside a string than they are, or that end it. */
const NOT_PLAIN = /["\\\u0000-\u001f]/;
const PROBE = 'parley-probe';
const MAX_LESSONS = 3;

/**
 * Most frames of an answer differ from the one before in their text only. Once one has been parsed, the next that has
 * the same bytes around a text without escapes must mean the same with that text, so it need not be parsed: that takes
 * 0.05 ms instead of 0.26 for 200 frames (measured, Node 20). Frames that carry a time or padding just never match.
 */
export class FrameTemplate {
  private prefix = '';
  private suffix = '';
  private lessons = 0;

  /** The text of a frame like the learned one; null when it is not like it. */
  read(data: string): string | null {
    const { prefix, suffix } = this;
    if (prefix === '' || data.length < prefix.length + suffix.length) return null;
    // Compared as slices: V8 does that by memory blocks, startsWith character by character.
    if (data.slice(0, prefix.length) !== prefix || data.slice(-suffix.length) !== suffix) return null;
    const text = data.slice(prefix.length, data.length - suffix.length);
    return NOT_PLAIN.test(text) ? null : text;
  }

  /** Takes a frame of which the parser has told that it does nothing but add `text`. */
  learn(data: string, text: string): void {
    if (this.lessons === MAX_LESSONS || text === '' || NOT_PLAIN.test(text)) return;
    this.lessons += 1;
    const place = data.lastIndexOf(`"${text}"`) + 1;
    if (place === 0) return;
    const prefix = data.slice(0, place);
    const suffix = data.slice(place + text.length);
    // The same words may stand elsewhere in the frame; what parses to the probe is the right place.
    if (contentOf(parseJson(prefix + PROBE + suffix)) !== PROBE) return;
    this.prefix = prefix;
    this.suffix = suffix;
  }
}

function contentOf(chunk: unknown): unknown {
  const choice: unknown = isJsonObject(chunk) && Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
  return isJsonObject(choice) && isJsonObject(choice.delta) ? choice.delta.content : undefined;
}
