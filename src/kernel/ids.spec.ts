import { isId, newId } from './ids.js';

const timeOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

describe('newId', () => {
  it('has the form, the version 7 and the variant of RFC 9562, in lower case', () => {
    for (let i = 0; i < 1000; i++) {
      expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it.each([0, 1, 255, 256, 0xffff, 0x10000, 2 ** 31, 2 ** 32, 1_763_900_000_123, 2 ** 48 - 1])(
    'carries the millisecond %d',
    (nowMs) => {
      expect(timeOf(newId(nowMs))).toBe(nowMs);
    },
  );

  it('contains the current time when none is given', () => {
    const before = Date.now();
    const time = timeOf(newId());
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now());
  });

  it('sorts as text by its millisecond, across every carry', () => {
    const times = [0, 1, 254, 255, 256, 257, 65_535, 65_536, 65_537, 2 ** 32 - 1, 2 ** 32, 1_763_900_000_000, 2 ** 47];
    const ids = times.map((time) => newId(time));
    expect([...ids].sort()).toEqual(ids);
  });

  it('is unique, a hundred thousand times in one millisecond', () => {
    expect(new Set(Array.from({ length: 100_000 }, () => newId(1_763_900_000_000))).size).toBe(100_000);
  });

  it('uses every random bit it has', () => {
    const seen = new Map<number, Set<string>>();
    for (let i = 0; i < 1000; i++) {
      [...newId(0)].forEach((digit, place) => seen.set(place, (seen.get(place) ?? new Set()).add(digit)));
    }
    const varied = [...seen].filter(([, digits]) => digits.size === 16).map(([place]) => place);
    // The 12 bits after the version, and all bits after the two of the variant.
    expect(varied).toEqual([15, 16, 17, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35]);
    expect(seen.get(19)?.size).toBe(4);
  });
});

describe('isId', () => {
  it('accepts ids of newId, and UUIDs of other versions', () => {
    expect(isId(newId())).toBe(true);
    expect(isId('8c3d2f0e-3b1a-4c5d-9e6f-0123456789ab')).toBe(true);
  });

  it.each<[unknown]>([
    [undefined],
    [null],
    [7],
    [''],
    [{}],
    [[newId()]],
    [newId().toUpperCase()],
    [` ${newId()}`],
    [`${newId()}\n`],
    [`{${newId()}}`],
    [newId().replaceAll('-', '')],
    [newId().slice(1)],
    ['00000000-0000-0000-0000-000000000000'],
    ['8c3d2f0e-3b1a-9c5d-9e6f-0123456789ab'],
    ['8c3d2f0e-3b1a-4c5d-ce6f-0123456789ab'],
    ['8c3d2f0g-3b1a-4c5d-9e6f-0123456789ab'],
  ])('refuses %j', (value) => {
    expect(isId(value)).toBe(false);
  });
});
