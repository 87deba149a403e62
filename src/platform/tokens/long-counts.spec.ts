import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../kernel/errors/app-error.js';
import { type CountStep, LongCounts } from './long-counts.js';

/** A count of the given number of steps, which records each step. */
function counting(name: string, steps: number, notes: string[]): CountStep {
  let step = 0;
  return () => {
    notes.push(`${name}${++step}`);
    return step === steps ? step : null;
  };
}

/** A step that takes all the counting time of a user for one minute. */
const forLong: CountStep = () => {
  const end = performance.now() + 50;
  while (performance.now() < end);
  return 1;
};

describe('LongCounts', () => {
  it('runs the counts of one user one after another, and alternates between users', async () => {
    const counts = new LongCounts();
    const notes: string[] = [];
    const results = await Promise.all([
      counts.run('ada', counting('a', 2, notes)),
      counts.run('ada', counting('b', 1, notes)),
      counts.run('eve', counting('c', 3, notes)),
    ]);
    expect(notes).toEqual(['a1', 'c1', 'a2', 'c2', 'b1', 'c3']);
    expect(results).toEqual([2, 1, 3]);
  });

  it('lets the event loop run between two steps', async () => {
    const notes: string[] = [];
    const done = new LongCounts().run('ada', counting('a', 5, notes));
    await sleep(1);
    setImmediate(() => notes.push('other work'));
    await done;
    expect(notes.indexOf('other work')).toBeLessThan(5);
  });

  it('continues after a failed count', async () => {
    const counts = new LongCounts();
    const failed = counts.run('ada', () => {
      throw new Error('broken');
    });
    const next = counts.run('ada', () => 7);
    await expect(failed).rejects.toThrow('broken');
    expect(await next).toBe(7);
    expect(counts.isCounting('ada')).toBe(false);
  });

  it('refuses further texts of a user whose queue is full, but not those of another user', async () => {
    const counts = new LongCounts();
    const waiting = Array.from({ length: 10 }, () => counts.run('ada', () => 1));
    expect(() => counts.check('ada')).toThrow(AppError);
    expect(() => counts.check('eve')).not.toThrow();
    await Promise.all(waiting);
    expect(() => counts.check('ada')).not.toThrow();
  });

  it('refuses texts of a user who has used more than a tenth of the last minute, and says when to come back', async () => {
    const counts = new LongCounts(50);
    await counts.run('ada', () => 1);
    expect(() => counts.check('ada')).not.toThrow();
    await counts.run('ada', forLong);
    await counts.run('ada', forLong);
    expect(() => counts.check('ada')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
    expect(() => counts.check('ada')).toThrow(
      expect.objectContaining({ retryAfterSeconds: expect.any(Number) as number }),
    );
    expect(() => counts.check('eve')).not.toThrow();
  });
});
