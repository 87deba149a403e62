import { registerDecorator } from 'class-validator';
import { AsGiven } from '../../../platform/http/as-given.decorator.js';
import { isStorable } from '../../../platform/http/storable-text.decorator.js';
import type { ContentPart } from '../../llm/public/llm-provider.js';

const MAX_PARTS = 50;
const IMAGE_ADDRESS = /^(https?:\/\/|data:image\/(png|jpeg|gif|webp);base64,)/;
const DETAILS = new Set<unknown>([undefined, 'auto', 'low', 'high']);

/** What is wrong with a posted message, or null when nothing is. */
export function contentProblem(value: unknown): string | null {
  if (typeof value === 'string') return textProblem(value);
  if (!Array.isArray(value)) return 'must be a text or an array of content parts';
  if (value.length === 0 || value.length > MAX_PARTS) return `must have 1 to ${MAX_PARTS} parts`;
  for (const [index, part] of value.entries()) {
    const problem = partProblem(part);
    if (problem !== null) return `part ${index} ${problem}`;
  }
  return null;
}

function textProblem(text: string): string | null {
  if (text.trim() === '') return 'must not be empty';
  return isStorable(text) ? null : 'must be valid Unicode without NUL characters';
}

function partProblem(part: unknown): string | null {
  if (typeof part !== 'object' || part === null) return 'must be an object';
  const { type, text, image_url: image, ...others } = part as Partial<Record<string, unknown>>;
  if (Object.keys(others).length > 0) return 'has unknown fields';
  if (type === 'text') return typeof text === 'string' && image === undefined ? textProblem(text) : 'must have a text';
  if (type !== 'image_url') return 'must be of type text or image_url';
  if (typeof image !== 'object' || image === null || text !== undefined) return 'must have an image_url';
  const { url, detail, ...rest } = image as Partial<Record<string, unknown>>;
  if (Object.keys(rest).length > 0) return 'has unknown fields';
  if (typeof url !== 'string' || !IMAGE_ADDRESS.test(url) || !isStorable(url)) {
    return 'must have an http(s) address or a data: URL of a png, jpeg, gif or webp image';
  }
  return DETAILS.has(detail) ? null : 'must have the detail auto, low or high';
}

/** A text, or parts as OpenAI's API has them: texts and images. */
export function IsMessageContent(): PropertyDecorator {
  return (target, propertyName) => {
    AsGiven()(target, propertyName);
    registerDecorator({
      name: 'isMessageContent',
      target: target.constructor,
      propertyName: propertyName as string,
      validator: {
        validate: (value: unknown) => contentProblem(value) === null,
        defaultMessage: (given) => contentProblem(given?.value) as string,
      },
    });
  };
}

/** The text of a message and, when it is more than text, its parts. */
export function splitContent(content: string | ContentPart[]): {
  text: string;
  parts: ContentPart[] | null;
  images: number;
} {
  if (typeof content === 'string') return { text: content, parts: null, images: 0 };
  const text = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n');
  const images = content.filter(({ type }) => type === 'image_url').length;
  return { text, parts: images === 0 ? null : content, images };
}
