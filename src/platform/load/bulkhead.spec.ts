import { Bulkhead, type Leave } from './bulkhead.js';

describe('Bulkhead', () => {
  it('has a fixed number of places, and frees a place only once', async () => {
    const bulkhead = new Bulkhead(2);
    const [first] = [await bulkhead.enter(0), await bulkhead.enter(0)];
    expect([await bulkhead.enter(0), bulkhead.free]).toEqual([null, 0]);
    first?.();
    first?.();
    expect(bulkhead.free).toBe(1);
  });

  it('admits waiting callers in order', async () => {
    const bulkhead = new Bulkhead(1);
    const order: string[] = [];
    let leave = (await bulkhead.enter(0)) as Leave;
    const waiting = ['a', 'b'].map(async (name) => {
      leave = (await bulkhead.enter(60_000)) as Leave;
      order.push(name);
    });
    leave();
    await waiting[0];
    expect(order).toEqual(['a']);
    leave();
    await waiting[1];
    expect([order, bulkhead.free]).toEqual([['a', 'b'], 0]);
  });

  it('stops waiting after the time limit, or when the signal is aborted', async () => {
    const bulkhead = new Bulkhead(1);
    const leave = await bulkhead.enter(0);
    const abort = new AbortController();
    const aborted = bulkhead.enter(60_000, abort.signal);
    abort.abort();
    expect([await bulkhead.enter(5), await aborted]).toEqual([null, null]);
    leave?.();
    expect(bulkhead.free).toBe(1);
  });

  it('can be held beyond its limit, and then admits no caller until a place is free', async () => {
    const bulkhead = new Bulkhead(1);
    const [first, second] = [bulkhead.hold(), bulkhead.hold()];
    first();
    expect([bulkhead.free, await bulkhead.enter(0)]).toEqual([0, null]);
    second();
    expect(bulkhead.free).toBe(1);
  });
});
