import { isWithin } from './request-limits.js';

const nested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};

describe('isWithin', () => {
  it('counts nested objects and arrays', () => {
    expect(isWithin(nested(3), 3, 100)).toBe(true);
    expect(isWithin(nested(4), 3, 100)).toBe(false);
    expect(isWithin(nested(100_000), 3, 100)).toBe(false);
  });

  it('counts all values of arrays and objects', () => {
    expect(isWithin([1, 2, 3], 3, 4)).toBe(true);
    expect(isWithin([1, 2, 3, 4], 3, 4)).toBe(false);
    expect(isWithin({ a: { b: 1 }, c: { d: 1 } }, 3, 4)).toBe(false);
    expect(isWithin(Array.from({ length: 1_000_000 }), 3, 1000)).toBe(false);
  });

  it.each([null, undefined, 'text', 7, true])('takes %p', (value) => expect(isWithin(value, 1, 1)).toBe(true));
});
