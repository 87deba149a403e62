import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { AppError } from '../../../kernel/errors/app-error.js';
import { ChatConfig } from '../public/chat.config.js';
import type { Notifications } from '../../../platform/database/notifications.js';
import { DatabaseFanout } from './turn-fanout.js';
import type { LiveTurn } from './live-turn.js';
import type { Message } from '../message.entity.js';
import type { Progress } from '../turn.js';
import { TurnMirrors } from './turn-mirrors.js';
import type { TurnStore } from '../storage/turn-store.js';

const FLUSH_MS = 20;
const OWNER = 'instance-1';
const actor = { userId: 'user' };
const message = (id: string): Message => ({ id, content: '', attempt: 1 }) as Message;

/** Mirrors over a scripted database that counts its reads. */
class World {
  looks = 0;
  answer = (): Progress => ({ attempt: 1, owner: OWNER, text: '' });
  readonly notifications = { isListening: true };
  readonly mirrors: TurnMirrors;

  constructor() {
    const store = {
      readProgress: () => {
        this.looks += 1;
        return Promise.resolve().then(() => ({ progress: this.answer(), settled: null }));
      },
    };
    this.mirrors = new TurnMirrors(
      store as unknown as TurnStore,
      Object.assign(new ChatConfig(), { turnFlushMs: FLUSH_MS }),
      this.notifications as Notifications,
      new DatabaseFanout(),
    );
  }

  follow(id = 'answer'): LiveTurn {
    const live = this.mirrors.follow(actor, message('question'), message(id));
    live.follow(() => undefined);
    return live;
  }

  async looksIn(ms: number): Promise<number> {
    const before = this.looks;
    await sleep(ms);
    return this.looks - before;
  }
}

describe('a mirror of a turn that another instance runs', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => {
    world.mirrors.close();
    Logger.overrideLogger(true);
  });

  it('polls less and less often while notifications work and nothing is new', async () => {
    world.follow();
    // 20 + 40 + 80 + … ms: at the rate of saving it would be 50.
    expect(await world.looksIn(1000)).toBeLessThan(9);
    expect(await world.looksIn(500)).toBeLessThan(2);
  });

  it('polls as often as text is saved while notifications are down, and rarely again when they work', async () => {
    world.notifications.isListening = false;
    world.follow();
    expect(await world.looksIn(1000)).toBeGreaterThan(15);
    world.notifications.isListening = true;
    await sleep(500);
    expect(await world.looksIn(500)).toBeLessThan(4);
  });

  it('reads at once after a notification, and misses none that arrives during a read', async () => {
    const live = world.follow();
    await sleep(600);
    world.answer = () => ({ attempt: 1, owner: OWNER, text: live.length === 0 ? 'Hello' : '' });
    world.mirrors.look({ owner: 'instance-2' });
    expect(await world.looksIn(5)).toBe(0);
    world.mirrors.look({ owner: OWNER });
    world.mirrors.look({ owner: OWNER });
    await sleep(5);
    expect(live.textFrom(0)).toBe('Hello');
    world.mirrors.look({ messageId: 'another' });
    expect(await world.looksIn(5)).toBe(0);
  });

  it('logs an outage of the database once, however many mirrors poll and however often', async () => {
    const warnings: unknown[] = [];
    Logger.overrideLogger({ log: () => undefined, error: () => undefined, warn: (text) => void warnings.push(text) });
    world.notifications.isListening = false;
    const isBack = world.answer;
    const fail = (): never => {
      throw new AppError('database_unavailable');
    };
    world.answer = fail;
    const followed = ['a', 'b', 'c'].map((id) => world.follow(id));
    await sleep(200);
    expect(warnings).toEqual(['Turns of other instances cannot be followed: the database is unavailable']);
    world.answer = () => ({ ...isBack(), text: 'x' });
    await sleep(100);
    for (const live of followed) expect(live.length).toBeGreaterThan(0);
    world.answer = fail;
    await sleep(100);
    expect(warnings).toHaveLength(2);
  });
});
