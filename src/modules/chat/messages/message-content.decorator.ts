import { registerDecorator } from 'class-validator';
import { AsGiven } from '../../../platform/http/as-given.decorator.js';
import { isStorable } from '../../../platform/http/storable-text.decorator.js';
import type { ContentPart } from '../../llm/public/llm-provider.js';
import { IMAGE_DETAILS, type MessagePart } from '../public/message.dto.js';

const MAX_PARTS = 50;
const IMAGE_ADDRESS = /^(https?:\/\/|data:image\/(png|jpeg|gif|webp);base64,)/;
const DETAILS = new Set<unknown>([undefined, ...IMAGE_DETAILS]);

/** Describes the error in a posted `message`; null for a valid one: a text, or parts in the format of OpenAI's API. */
export function contentProblem(value: unknown): string | null {
  if (typeof value === 'string') return textProblem(value);
  if (!Array.isArray(value)) return 'must be a text or an array of content parts';
  return listProblem(value, openAiPartProblem);
}

/** Describes the error in posted `parts`; null for valid ones. */
export function partsProblem(value: unknown): string | null {
  return Array.isArray(value) ? listProblem(value, partProblem) : 'must be an array of content parts';
}

function listProblem(parts: readonly unknown[], problemOf: (part: object) => string | null): string | null {
  if (parts.length === 0 || parts.length > MAX_PARTS) return `must have 1 to ${MAX_PARTS} parts`;
  for (const [index, part] of parts.entries()) {
    const problem = typeof part === 'object' && part !== null ? problemOf(part) : 'must be an object';
    if (problem !== null) return `part ${index} ${problem}`;
  }
  return null;
}

function textProblem(text: string): string | null {
  if (text.trim() === '') return 'must not be empty';
  return isStorable(text) ? null : 'must be valid Unicode without NUL characters';
}

type Fields = Partial<Record<string, unknown>>;

function partProblem({ type, text, url, detail, ...others }: Fields): string | null {
  if (type !== 'text' && type !== 'image') return 'must be of type text or image';
  if (Object.keys(others).length > 0) return 'has unknown fields';
  if (type === 'image') return text === undefined ? imageProblem(url, detail) : 'must have no text';
  return typeof text === 'string' && url === undefined && detail === undefined
    ? textProblem(text)
    : 'must have a text and no other field';
}

function openAiPartProblem({ type, text, image_url: image, ...others }: Fields): string | null {
  if (Object.keys(others).length > 0) return 'has unknown fields';
  if (type === 'text') return typeof text === 'string' && image === undefined ? textProblem(text) : 'must have a text';
  if (type !== 'image_url') return 'must be of type text or image_url';
  if (typeof image !== 'object' || image === null || text !== undefined) return 'must have an image_url';
  const { url, detail, ...rest } = image as Fields;
  return Object.keys(rest).length > 0 ? 'has unknown fields' : imageProblem(url, detail);
}

function imageProblem(url: unknown, detail: unknown): string | null {
  if (typeof url !== 'string' || !IMAGE_ADDRESS.test(url) || !isStorable(url)) {
    return 'must have an http(s) address or a data: URL of a png, jpeg, gif or webp image';
  }
  return DETAILS.has(detail) ? null : 'must have the detail auto, low or high';
}

/** A text, or text and image parts in the format of OpenAI's API. */
export const IsMessageContent = (): PropertyDecorator => isContent('isMessageContent', contentProblem);

/** Parts of a message: texts and images. */
export const IsMessageParts = (): PropertyDecorator => isContent('isMessageParts', partsProblem);

function isContent(name: string, problemOf: (value: unknown) => string | null): PropertyDecorator {
  return (target, propertyName) => {
    AsGiven()(target, propertyName);
    registerDecorator({
      name,
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        validate: (value: unknown) => problemOf(value) === null,
        defaultMessage: (given) => problemOf(given?.value) as string,
      },
    });
  };
}

/** The text of a message, its parts if it has images, and the number of images. */
export interface SplitContent {
  readonly text: string;
  readonly parts: ContentPart[] | null;
  readonly images: number;
}

export function splitContent(content: string | ContentPart[]): SplitContent {
  if (typeof content === 'string') return { text: content, parts: null, images: 0 };
  const text = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n');
  const images = content.filter(({ type }) => type === 'image_url').length;
  return { text, parts: images === 0 ? null : content, images };
}

/** Converts posted parts to the form that providers and the database use. */
export function toContentParts(parts: readonly MessagePart[]): ContentPart[] {
  return parts.map((part) => {
    if (part.type === 'text') return { type: 'text', text: part.text };
    const { url = '', detail } = part;
    return { type: 'image_url', image_url: { url, ...(detail === undefined ? {} : { detail }) } };
  });
}

/**
 * The parts of a stored message as the API shows them. A message without images is one text part; an empty message has
 * no parts.
 */
export function toMessageParts(text: string, parts: readonly ContentPart[] | null): MessagePart[] {
  if (parts === null) return text === '' ? [] : [{ type: 'text', text }];
  return parts.map((part) => (part.type === 'text' ? part : { type: 'image', ...part.image_url }));
}
