import type { ContentPart } from '../../llm/public/llm-provider.js';
import { contentProblem, splitContent } from './message-content.decorator.js';

const text = (content: unknown): unknown => ({ type: 'text', text: content });
const image = (url: unknown, detail?: unknown): unknown => ({
  type: 'image_url',
  image_url: { url, ...(detail === undefined ? {} : { detail }) },
});
const URL_OF_CAT = 'https://example.com/cat.png';

describe('contentProblem', () => {
  it.each<[string, unknown]>([
    ['a text', 'Hello'],
    ['a text of one character', '.'],
    ['a text with line ends, tabs and emoji', 'a\r\n\tb 😀'],
    ['a text part', [text('Hello')]],
    ['an image', [image(URL_OF_CAT)]],
    ['an image over http', [image('http://example.com/cat.png', 'auto')]],
    ['an image with a detail', [image(URL_OF_CAT, 'low'), image(URL_OF_CAT, 'high')]],
    ['an image in the address', [image('data:image/png;base64,iVBORw0KGgo=')]],
    ['fifty parts', Array.from({ length: 50 }, () => text('x'))],
  ])('finds nothing wrong with %s', (_what, value) => {
    expect(contentProblem(value)).toBeNull();
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'must be a text or an array of content parts'],
    ['null', null, 'must be a text or an array of content parts'],
    ['a number', 7, 'must be a text or an array of content parts'],
    ['an object', text('x'), 'must be a text or an array of content parts'],
    ['an empty text', '', 'must not be empty'],
    ['white space', ' \n\t\u00a0', 'must not be empty'],
    ['a NUL', 'a\0b', 'must be valid Unicode without NUL characters'],
    ['half a surrogate pair', 'a\ud83d', 'must be valid Unicode without NUL characters'],
    ['no parts', [], 'must have 1 to 50 parts'],
    ['fifty-one parts', Array.from({ length: 51 }, () => text('x')), 'must have 1 to 50 parts'],
    ['a part that is a text', ['x'], 'part 0 must be an object'],
    ['a part that is null', [text('x'), null], 'part 1 must be an object'],
    ['a part that is an array', [[]], 'part 0 must be of type text or image_url'],
    ['a part of another type', [{ type: 'audio' }], 'part 0 must be of type text or image_url'],
    ['a part without a type', [{ text: 'x' }], 'part 0 must be of type text or image_url'],
    ['a part with more fields', [{ type: 'text', text: 'x', role: 'system' }], 'part 0 has unknown fields'],
    ['an empty text part', [text(' ')], 'part 0 must not be empty'],
    ['a text part with a NUL', [text('x'), text('\0x')], 'part 1 must be valid Unicode without NUL characters'],
    ['a text part without text', [text(7)], 'part 0 must have a text'],
    ['a text part with an image', [{ type: 'text', text: 'x', image_url: {} }], 'part 0 must have a text'],
    ['an image that is a text', [{ type: 'image_url', image_url: URL_OF_CAT }], 'part 0 must have an image_url'],
    ['an image with a text', [{ type: 'image_url', text: 'x', image_url: {} }], 'part 0 must have an image_url'],
    [
      'an image with more fields',
      [{ type: 'image_url', image_url: { url: URL_OF_CAT, x: 1 } }],
      'part 0 has unknown fields',
    ],
    ['an image with another detail', [image(URL_OF_CAT, 'extreme')], 'part 0 must have the detail auto, low or high'],
  ])('says what is wrong with %s', (_what, value, problem) => {
    expect(contentProblem(value)).toBe(problem);
  });

  it.each<[unknown]>([
    ['file:///etc/passwd'],
    ['ftp://example.com/cat.png'],
    ['javascript:alert(1)'],
    ['//example.com/cat.png'],
    [' https://example.com/cat.png'],
    ['cat.png'],
    ['data:text/html;base64,PGI+'],
    ['data:image/svg+xml;base64,PHN2Zz4='],
    ['data:image/png,raw'],
    ['https://example.com/\0'],
    ['https://example.com/\ud800'],
    [''],
    [7],
    [undefined],
  ])('refuses %j as the address of an image', (url) => {
    expect(contentProblem([image(url)])).toMatch(/^part 0 must have an http\(s\) address/);
  });
});

describe('splitContent', () => {
  it('leaves a text as it is', () => {
    expect(splitContent('Hello')).toEqual({ text: 'Hello', parts: null, images: 0 });
  });

  it('treats parts that are only text as one text', () => {
    const parts = [text('One'), text('Two')] as ContentPart[];
    expect(splitContent(parts)).toEqual({ text: 'One\n\nTwo', parts: null, images: 0 });
  });

  it('keeps the parts when they include images, with the text and the number of images', () => {
    const parts = [text('One'), image(URL_OF_CAT), text('Two'), image(URL_OF_CAT)] as ContentPart[];
    expect(splitContent(parts)).toEqual({ text: 'One\n\nTwo', parts, images: 2 });
    expect(splitContent([image(URL_OF_CAT)] as ContentPart[])).toMatchObject({ text: '', images: 1 });
  });
});
