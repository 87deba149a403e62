import { setTimeout as sleep } from 'node:timers/promises';
import { DueQueue } from './due-queue.js';

describe('a queue of items that become due', () => {
  it('returns each item once, after its time, in the order of arrival', async () => {
    const queue = new DueQueue<string>(30);
    queue.add('a');
    queue.add('b');
    expect(queue.takeDue()).toEqual([]);
    await sleep(40);
    queue.add('c');
    expect(queue.takeDue()).toEqual(['a', 'b']);
    expect(queue.takeDue()).toEqual([]);
  });

  it('does not return removed items, and keeps the time of an item that is added twice', async () => {
    const queue = new DueQueue<string>(30);
    queue.add('a');
    queue.add('b');
    queue.remove('a');
    await sleep(40);
    queue.add('b');
    expect(queue.takeDue()).toEqual(['b']);
  });

  it('visits only the items that are due', () => {
    const queue = new DueQueue<number>(60_000);
    for (let thing = 0; thing < 10_000; thing++) queue.add(thing);
    let looks = 0;
    const { since } = queue as unknown as { since: Map<number, number> };
    since[Symbol.iterator] = function* (this: Map<number, number>): MapIterator<[number, number]> {
      for (const entry of Map.prototype.entries.call(this) as MapIterator<[number, number]>) {
        looks += 1;
        yield entry;
      }
    } as Map<number, number>[typeof Symbol.iterator];
    expect(queue.takeDue()).toEqual([]);
    expect(looks).toBe(1);
  });
});
