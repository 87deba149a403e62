import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from './rng.mjs';

const AIM_LIMIT_MS = 1500;

/** Breaks things, at the instants that the seed names, until the plan is through or it is stopped. */
export class Faults {
  counts = { kills: 0, aimed: 0, rolls: 0, restarts: 0, cuts: 0, cutConnections: 0, freezes: 0, redisKills: 0 };
  #isOver = false;
  #aim = null;
  #running = new Set();

  constructor({ seed, cluster, upstream, plan, durationMs, log }) {
    Object.assign(this, { cluster, upstream, plan, log });
    const rng = new Rng(seed, 'faults');
    this.rng = rng;
    /** Evenly spread, each somewhere in its share of the time. */
    this.schedule = Object.entries(plan)
      .flatMap(([what, count]) =>
        Array.from({ length: count }, (_, i) => ({ what, atMs: ((i + 0.15 + 0.7 * rng.next()) / count) * durationMs })),
      )
      .sort((a, b) => a.atMs - b.atMs);
    upstream.onMoment = (moment, entry) => this.#take(moment, entry);
  }

  async run() {
    const begin = Date.now();
    for (const { what, atMs } of this.schedule) {
      while (!this.#isOver && Date.now() - begin < atMs)
        await sleep(Math.min(100, Math.max(1, atMs - (Date.now() - begin))));
      if (this.#isOver) break;
      const done = this[`_${what}`]().catch((error) => this.log(`${what} failed: ${error.message}`));
      this.#running.add(done);
      void done.finally(() => this.#running.delete(done));
    }
    await Promise.all(this.#running);
    // Where nobody was up to be killed, the kill is made up for.
    while (!this.#isOver && this.counts.kills < this.plan.kill) await this._kill();
  }

  stop() {
    this.#isOver = true;
  }

  /** At any instant, or at a moment of some turn: when the model is asked, at its first word, right after its last one. */
  async _kill() {
    const { rng } = this;
    const afterMs = rng.pick([0, rng.int(0, 1000), rng.int(0, 2500)]);
    let slot = null;
    if (rng.chance(0.6)) {
      slot = await this.#aimAt(rng.pick(['request', 'text', 'finish']), rng.int(0, 12));
      if (slot !== null) this.counts.aimed++;
    }
    slot ??= await this.#anyReady();
    if (slot !== null && (await this.cluster.kill(slot, afterMs))) this.counts.kills++;
  }

  /** One instance after the other, as a deployment does it. */
  async _roll() {
    for (const slot of this.cluster.slots) if (!this.#isOver && (await this.cluster.roll(slot))) this.counts.rolls++;
  }

  async _restart() {
    await this.cluster.restartPostgres(this.rng.pick([0, this.rng.int(0, 800), this.rng.int(500, 2500)]));
    this.counts.restarts++;
  }

  async _cut() {
    const slots = this.rng.chance(0.4) ? this.cluster.slots : [this.rng.pick(this.cluster.slots)];
    this.counts.cutConnections += this.cluster.cut(slots);
    this.counts.cuts++;
  }

  async _freeze() {
    const { rng, cluster } = this;
    const slots = rng.chance(0.2) ? cluster.slots : [rng.pick(cluster.slots)];
    await cluster.freeze(slots, rng.pick([rng.int(200, 1000), rng.int(1000, 5000)]), rng.chance(0.5));
    this.counts.freezes++;
  }

  /** What it had is gone; meanwhile the fan-out is LISTEN/NOTIFY alone. */
  async _redis() {
    await this.cluster.restartRedis(this.rng.pick([0, this.rng.int(0, 1000), this.rng.int(1000, 4000)]));
    this.counts.redisKills++;
  }

  async #anyReady() {
    for (let i = 0; i < 100 && !this.#isOver; i++) {
      if (this.cluster.ready.length > 0) return this.rng.pick(this.cluster.ready);
      await sleep(50);
    }
    return null;
  }

  #aimAt(moment, delayMs) {
    return new Promise((done) => {
      const give = (slot) => {
        if (this.#aim?.give === give) this.#aim = null;
        done(slot);
      };
      setTimeout(() => give(null), AIM_LIMIT_MS);
      this.#aim = { moment, delayMs, give };
    });
  }

  #take(moment, entry) {
    const aim = this.#aim;
    if (aim === null || aim.moment !== moment) return;
    const slot = this.cluster.slots.find(({ process, url }) => process === entry.process && url !== null);
    if (slot === undefined) return;
    this.#aim = null;
    if (aim.delayMs === 0) aim.give(slot);
    else setTimeout(() => aim.give(slot), aim.delayMs);
  }
}
