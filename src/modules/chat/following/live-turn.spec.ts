import { LiveTurn, TurnAbort } from './live-turn.js';
import type { Message } from '../message.entity.js';

const question = { id: 'question' } as Message;
const answer = { id: 'answer', content: '', attempt: 1 } as Message;
const settled = { ...answer, content: 'Good morning', status: 'completed' } as Message;
const live = (...texts: string[]): LiveTurn => {
  const turn = new LiveTurn({ question, answer, attempt: 1 });
  for (const text of texts) turn.append(text);
  return turn;
};

describe('the text of a live turn', () => {
  it('can be read from every offset, however it was cut', () => {
    for (const pieces of [['Good morning'], ['Good', ' ', 'morning'], [...'Good morning']]) {
      const turn = live(...pieces);
      expect(turn).toHaveLength('Good morning'.length);
      for (let offset = 0; offset <= 12; offset++) expect(turn.textFrom(offset)).toBe('Good morning'.slice(offset));
    }
  });

  it('is empty at its end, beyond it, and before the first word', () => {
    expect(live('Hi').textFrom(2)).toBe('');
    expect(live('Hi').textFrom(99)).toBe('');
    expect(live().textFrom(0)).toBe('');
  });

  it('does not notice an append of nothing', () => {
    const turn = live('Hi', '', ' there');
    let woken = 0;
    turn.follow(() => (woken += 1));
    turn.append('');
    expect(woken).toBe(1);
    expect(turn.textFrom(1)).toBe('i there');
  });

  it('starts again from nothing, under another attempt, when the turn is restarted', () => {
    const turn = live('First', ' try');
    turn.restart(2);
    expect([turn.attempt, turn.length, turn.textFrom(0)]).toEqual([2, 0, '']);
    turn.append('Second');
    expect(turn.textFrom(3)).toBe('ond');
  });

  it('costs a reader only the new text, not the earlier text', () => {
    const turn = live();
    let offset = 0;
    for (let i = 0; i < 20_000; i++) {
      turn.append('word ');
      offset += turn.textFrom(offset).length;
    }
    const start = performance.now();
    for (let i = 0; i < 20_000; i++) {
      turn.append('word ');
      offset += turn.textFrom(offset).length;
    }
    // Reading all of it each time would copy some 3 GB.
    expect(performance.now() - start).toBeLessThan(500);
    expect(offset).toBe(turn.length);
  });
});

describe('a reader of a live turn', () => {
  it('is called at once, after each change and at the end, and not after it', () => {
    const turn = live('a');
    const seen: [string, boolean][] = [];
    turn.follow(() => seen.push([turn.textFrom(0), turn.settled !== undefined]));
    turn.append('b');
    turn.end(settled);
    turn.append('c');
    turn.end(null);
    expect(seen).toEqual([
      ['a', false],
      ['ab', false],
      ['ab', true],
    ]);
  });

  it('is not called after it has unsubscribed, while the others still are', () => {
    const turn = live();
    const seen: string[] = [];
    const leave = turn.follow(() => seen.push('leaving'));
    turn.follow(() => seen.push('staying'));
    leave();
    turn.append('x');
    expect(seen).toEqual(['leaving', 'staying', 'staying']);
    expect(turn.hasReaders).toBe(true);
  });

  it('may unsubscribe while it is called, and no other misses the change', () => {
    const turn = live();
    const seen: string[] = [];
    const leave = turn.follow(() => {
      seen.push('first');
      if (turn.length > 0) leave();
    });
    turn.follow(() => seen.push('second'));
    turn.append('x');
    turn.append('y');
    expect(seen).toEqual(['first', 'second', 'first', 'second', 'second']);
  });

  it('that subscribes after the end is called once and not kept', () => {
    const turn = LiveTurn.past(question, settled);
    let calls = 0;
    turn.follow(() => (calls += 1));
    turn.append('x');
    expect(calls).toBe(1);
    expect(turn.hasReaders).toBe(false);
  });
});

describe('the end of a live turn', () => {
  it('is the settled answer, for every waiter', async () => {
    const turn = live('Good morning');
    expect(turn.settled).toBeUndefined();
    turn.end(settled);
    expect(turn.settled).toBe(settled);
    expect(await turn.ended).toBe(settled);
    expect(turn.hasReaders).toBe(false);
  });

  it('is null when the turn continues on another instance', async () => {
    const turn = live();
    turn.end(null);
    expect(await turn.ended).toBeNull();
    expect(turn.settled).toBeNull();
  });

  it('is known from the beginning for a settled turn, with its text and its attempt', async () => {
    const past = LiveTurn.past(question, { ...settled, attempt: 3 } as Message);
    expect(past.textFrom(5)).toBe('morning');
    expect(past.attempt).toBe(3);
    expect(await past.ended).toMatchObject({ content: 'Good morning' });
    expect(past.started.question).toBe(question);
  });
});

describe('an abort', () => {
  it.each(['stop', 'release', 'lost'] as const)('carries its reason: %s', (why) => {
    const turn = live();
    turn.abort.abort(new TurnAbort(why));
    expect(turn.abort.signal.reason).toMatchObject({ name: 'TurnAbort', why });
    expect(TurnAbort.isLost(turn.abort.signal)).toBe(why === 'lost');
  });

  it('does not count as lost without an abort, or with another reason', () => {
    expect(TurnAbort.isLost(new AbortController().signal)).toBe(false);
    expect(TurnAbort.isLost(AbortSignal.abort())).toBe(false);
  });
});
