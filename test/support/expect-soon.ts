import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for at most two seconds until a check passes; otherwise throws its last error. */
export async function expectSoon<T>(check: () => Promise<T> | T): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await check();
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(20);
    }
  }
}
