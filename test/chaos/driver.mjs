import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from './rng.mjs';
import { modelOf } from './submit-of.mjs';
import { KINDS } from './upstream.mjs';

const PATIENCE_MS = 30_000;
const TERMINAL = new Set(['turn.completed', 'turn.stopped', 'turn.failed']);
/** Refusals after which the same request may be sent again. */
const PASSING = new Set([
  'database_unavailable',
  'overloaded',
  'shutting_down',
  'turn_interrupted',
  'idempotency_key_in_use',
]);

const SCENARIOS = {
  plain: 20,
  streamed: 26,
  background: 14,
  stopped: 14,
  doubled: 8,
  queued: 6,
  interrupted: 5,
  rejected: 4,
  regenerated: 6,
  edited: 5,
};

/**
 * Many clients at once, each going through one scenario after another. A submit is one wish for one answer, however often
 * it has to be sent; its record is everything that the client saw of it.
 */
export class Driver {
  submits = [];
  #scenarios = 0;
  #isOver = false;
  #givesUpAt = Infinity;

  constructor({ seed, cluster, client, clients }) {
    Object.assign(this, { seed, cluster, client, clients });
    this.slotRng = new Rng(seed, 'slots');
  }

  async prepare() {
    const rng = new Rng(this.seed, 'users');
    this.users = [];
    for (let i = 0; i < 4; i++) {
      const email = `chaos-${i}@example.com`;
      const { body } = await this.client.call(this.cluster.slots[0], null, 'POST', '/auth/register', {
        body: { email, password: `correct horse battery ${i} staple` },
      });
      const user = { token: body.access_token, projects: [] };
      for (const on_crash of ['retry', 'keep']) {
        const made = await this.client.call(this.cluster.slots[0], user, 'POST', '/projects', {
          body: { name: `Chaos ${on_crash}`, on_crash, on_conflict: rng.pick(['reject', 'queue']) },
        });
        user.projects.push(made.body);
      }
      // So large that nothing is refused: what counts is that it adds up.
      for (const path of ['/users/me/budget', `/projects/${user.projects[0].id}/budget`]) {
        await this.client.call(this.cluster.slots[0], user, 'PUT', path, {
          body: { day_limit_micro_usd: 1e15, month_limit_micro_usd: 1e15 },
        });
      }
      this.users.push(user);
    }
  }

  /** Turns that have certainly begun. */
  get turns() {
    return this.submits.filter(({ answerId }) => answerId !== null).length;
  }

  /** Until `stop`; resolves when every client has come to the end of its scenario. */
  async run() {
    await Promise.all(Array.from({ length: this.clients }, (_, i) => this.#work(i)));
  }

  stop() {
    this.#isOver = true;
    this.#givesUpAt = Date.now() + PATIENCE_MS;
  }

  async #work(worker) {
    let sessions = [];
    while (!this.#isOver) {
      const rng = new Rng(this.seed, 'scenario', this.#scenarios++);
      const known = sessions.length > 0 && rng.chance(0.5) ? rng.pick(sessions) : null;
      const user = known?.user ?? this.users[worker % this.users.length];
      const place = known ?? { user, project: rng.pick(user.projects), sessionId: null };
      const scenario = rng.weighted(SCENARIOS);
      const [first] = await this[`_${scenario}`](rng, place).catch((error) => {
        this.client.unexpected.push({ is: error.message });
        return [];
      });
      const sessionId = place.sessionId ?? first?.sessionId ?? null;
      if (sessionId !== null && known === null) sessions = [...sessions.slice(-3), { ...place, sessionId }];
    }
  }

  async #slot(rng, except) {
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(50)) {
      const ready = this.cluster.ready.filter((slot) => slot.process !== except);
      const all = ready.length > 0 ? ready : this.cluster.ready;
      // A copy: the slot may be another process by the time of the request.
      if (all.length > 0) return { ...rng.pick(all) };
    }
    const slots = this.cluster.slots.map(({ process, url, child, isWanted, tail }) => ({
      process,
      url,
      pid: child?.pid,
      isWanted,
      tail,
    }));
    throw new Error(`no instance was ready for a long time: ${JSON.stringify(slots, null, 1)}`);
  }

  #submit(rng, place, more = {}) {
    const n = this.submits.length + 1;
    const kind = more.kind ?? rng.weighted(KINDS);
    const submit = {
      n,
      what: 'send',
      kind,
      mode: 'plain',
      question: `[q${n}] ${'please '.repeat(rng.int(1, 6))}tell`,
      askedSession: place.sessionId,
      policy: null,
      isKeyed: true,
      onCrash: place.project.on_crash,
      at: Date.now(),
      requests: [],
      followers: [],
      stops: [],
      sessionId: null,
      questionId: null,
      answerId: null,
      ...more,
      place,
    };
    delete submit.rng;
    this.submits.push(submit);
    return submit;
  }

  #wire(submit) {
    const { place, target } = submit;
    const options = {
      model: modelOf(submit.n, submit.kind),
      ...(submit.policy === null ? {} : { on_conflict: submit.policy }),
      ...(submit.mode === 'background' ? { background: true } : {}),
      ...(submit.mode === 'stream' ? { stream: true } : {}),
    };
    const key = submit.isKeyed ? `key-${this.seed}-${submit.n}` : undefined;
    if (submit.what === 'regenerate') return { path: `/chat/messages/${target}/regenerate`, body: options, key };
    const where =
      place.sessionId === null
        ? { project_id: place.project.id }
        : { session_id: place.sessionId, ...(submit.parent === undefined ? {} : { parent_id: submit.parent }) };
    return { path: '/chat', body: { ...where, message: submit.question, ...options }, key };
  }

  #acknowledge(submit, { session_id, user_message, assistant_message }) {
    submit.acks ??= [];
    submit.acks.push({ sessionId: session_id, questionId: user_message.id, answerId: assistant_message.id });
    submit.sessionId ??= session_id;
    submit.questionId ??= user_message.id;
    submit.answerId ??= assistant_message.id;
  }

  /** Sends until there is an answer that counts; an unkeyed request is sent once, whatever comes of it. */
  async #ask(rng, submit, first) {
    const { path, body, key } = this.#wire(submit);
    for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(rng.int(50, 250))) {
      const slot = submit.requests.length === 0 && first !== undefined ? first : await this.#slot(rng);
      const got = await this.client.call(slot, submit.place.user, 'POST', path, { body, key });
      const { body: said, ...request } = got;
      submit.requests.push(request);
      if (got.status === 200 || got.status === 202) {
        this.#acknowledge(submit, said);
        if (got.status === 200) request.answer = said.assistant_message;
        return true;
      }
      if (got.status !== undefined && !PASSING.has(got.code)) return false;
      if (key === undefined || Date.now() > Math.min(deadline, this.#givesUpAt)) return false;
    }
  }

  /** Follows a turn to its end over whatever breaks, on any instance, or leaves it. */
  async #follow(
    rng,
    submit,
    { isPost = false, leaveAfter = Infinity, hopAfter = Infinity, paceMs = 0, stallMs = 0, comesBack = true } = {},
  ) {
    const follower = { events: [], segments: [], outcome: null, paceMs };
    submit.followers.push(follower);
    const wire = this.#wire(submit);
    let isAsking = isPost;
    let hop = hopAfter;
    let lastId;
    let process;
    const onEvent = (event) => {
      follower.events.push(event);
      lastId = event.id;
      if (event.event === 'turn.started') this.#acknowledge(submit, event.data);
      if (TERMINAL.has(event.event)) follower.outcome = 'ended';
      // Whatever comes after the end is seen as well: the server closes the stream, not we.
      if (follower.outcome === 'ended') return true;
      return follower.events.length < leaveAfter && follower.events.length !== hop;
    };
    for (const deadline = Date.now() + 2 * PATIENCE_MS; ; await sleep(rng.int(20, 200))) {
      const slot = await this.#slot(rng, process);
      process = slot.process;
      const byQuery = lastId !== undefined && rng.chance(0.3);
      const segment = isAsking
        ? await this.client.stream(slot, submit.place.user, 'POST', wire.path, { ...wire, onEvent, paceMs, stallMs })
        : await this.client.stream(
            slot,
            submit.place.user,
            'GET',
            `/chat/messages/${submit.answerId}/events${byQuery ? `?after=${lastId}` : ''}`,
            { ...(byQuery || lastId === undefined ? {} : { lastEventId: lastId }), onEvent, paceMs, stallMs },
          );
      const { body: _body, ...seen } = segment;
      follower.segments.push({ ...seen, isAsking });
      if (isAsking) submit.requests.push(seen);
      if (follower.outcome === 'ended') return follower;
      if (segment.how === 'status' && !PASSING.has(segment.code)) {
        follower.outcome = 'refused';
        return follower;
      }
      if (segment.how === 'left') {
        if (follower.events.length >= leaveAfter) {
          follower.outcome = 'vanished';
          if (!comesBack) return follower;
          leaveAfter = Infinity;
          stallMs = 0;
          await sleep(rng.int(100, 2500));
          follower.outcome = null;
        }
        hop = Infinity;
      }
      if (submit.answerId !== null && follower.events.length > 0) isAsking = false;
      if (isAsking && !submit.isKeyed) {
        follower.outcome = 'unknown';
        return follower;
      }
      if (Date.now() > Math.min(deadline, this.#givesUpAt)) {
        follower.outcome = 'gave-up';
        return follower;
      }
    }
  }

  #manner(rng) {
    return rng.pick([
      {},
      {},
      { hopAfter: rng.int(1, 6) },
      { hopAfter: rng.int(1, 12) },
      { leaveAfter: rng.int(1, 8), comesBack: true },
      { leaveAfter: rng.int(1, 8), comesBack: false },
      { leaveAfter: rng.int(1, 4), stallMs: rng.int(500, 4000), comesBack: true },
      { paceMs: rng.int(20, 150) },
    ]);
  }

  async #stop(rng, submit) {
    const stop = { at: Date.now(), requests: [], message: null };
    submit.stops.push(stop);
    for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(rng.int(50, 200))) {
      const slot = await this.#slot(rng);
      const { body, ...got } = await this.client.call(
        slot,
        submit.place.user,
        'POST',
        `/chat/messages/${submit.answerId}/stop`,
      );
      stop.requests.push(got);
      if (got.status === 200) {
        const { status, content } = body;
        stop.message = { status, content };
        stop.endedAt = Date.now();
        return stop;
      }
      if ((got.status !== undefined && !PASSING.has(got.code)) || Date.now() > Math.min(deadline, this.#givesUpAt))
        return stop;
    }
  }

  async _plain(rng, place) {
    const submit = this.#submit(rng, place, { isKeyed: rng.chance(0.6), policy: this.#calmPolicy(rng, place) });
    await this.#ask(rng, submit);
    return [submit];
  }

  async _streamed(rng, place) {
    const submit = this.#submit(rng, place, {
      mode: 'stream',
      isKeyed: rng.chance(0.8),
      policy: this.#calmPolicy(rng, place),
      ...(rng.chance(0.4) ? { kind: 'slow' } : {}),
    });
    await this.#follow(rng, submit, { isPost: true, ...this.#manner(rng) });
    return [submit];
  }

  async _background(rng, place) {
    const submit = this.#submit(rng, place, { mode: 'background', policy: this.#calmPolicy(rng, place) });
    if (!(await this.#ask(rng, submit))) return [submit];
    const followers = rng.int(0, 2);
    await Promise.all(
      Array.from({ length: followers }, async () => {
        await sleep(rng.int(0, 600));
        await this.#follow(rng, submit, this.#manner(rng));
      }),
    );
    return [submit];
  }

  async _stopped(rng, place) {
    const kind = rng.weighted({ slow: 6, late: 2, hang: 1, plain: 1 });
    const submit = this.#submit(rng, place, { mode: 'background', kind, policy: this.#calmPolicy(rng, place) });
    if (!(await this.#ask(rng, submit))) return [submit];
    const following = rng.chance(0.6)
      ? this.#follow(rng, submit, rng.chance(0.5) ? { hopAfter: rng.int(1, 5) } : {})
      : null;
    await sleep(rng.pick([0, rng.int(0, 100), rng.int(100, 800), rng.int(800, 2000)]));
    const stops = [this.#stop(rng, submit)];
    if (rng.chance(0.4)) stops.push(sleep(rng.int(0, 300)).then(() => this.#stop(rng, submit)));
    const stopped = (await Promise.all(stops)).every(({ message }) => message !== null);
    if (stopped && place.sessionId === null && rng.chance(0.6)) {
      const next = this.#submit(
        rng,
        { ...place, sessionId: submit.sessionId },
        { policy: 'reject', kind: 'plain', isAfterStop: true },
      );
      await this.#ask(rng, next);
    }
    await following;
    return [submit];
  }

  async _doubled(rng, place) {
    const mode = rng.pick(['plain', 'stream', 'background']);
    const submit = this.#submit(rng, place, { mode, policy: this.#calmPolicy(rng, place) });
    const times = rng.pick([2, 3, 5, 20]);
    await Promise.all(
      Array.from({ length: times }, (_, i) => {
        const own = new Rng(this.seed, 'double', submit.n, i);
        return mode === 'stream' ? this.#follow(own, submit, { isPost: true }) : this.#ask(own, submit);
      }),
    );
    return [submit];
  }

  async _queued(rng, place) {
    const first = this.#submit(rng, place, {
      mode: 'background',
      kind: rng.pick(['slow', 'plain', 'late']),
      policy: 'queue',
    });
    if (!(await this.#ask(rng, first))) return [first];
    const there = { ...place, sessionId: first.sessionId };
    const waiting = [];
    for (let i = rng.int(1, 3); i > 0; i--) {
      const submit = this.#submit(rng, there, {
        mode: rng.pick(['plain', 'stream', 'background']),
        policy: 'queue',
        kind: rng.pick(['plain', 'plain', 'slow', 'refused500']),
      });
      const own = new Rng(this.seed, 'queued', submit.n);
      const asking = submit.mode === 'stream' ? this.#follow(own, submit, { isPost: true }) : this.#ask(own, submit);
      waiting.push(asking);
      if (rng.chance(0.5)) await sleep(rng.int(0, 100));
      if (submit.mode === 'background' && rng.chance(0.4)) {
        await asking;
        if (submit.answerId !== null) waiting.push(this.#stop(own, submit));
      }
    }
    await Promise.all(waiting);
    return [first];
  }

  async _interrupted(rng, place) {
    const first = this.#submit(rng, place, { mode: 'background', kind: 'slow', policy: 'queue' });
    if (!(await this.#ask(rng, first))) return [first];
    const following = rng.chance(0.5) ? this.#follow(rng, first) : null;
    await sleep(rng.int(0, 1500));
    const there = { ...place, sessionId: first.sessionId };
    const second = this.#submit(rng, there, {
      policy: 'interrupt',
      mode: rng.pick(['plain', 'stream']),
      kind: 'plain',
    });
    const own = new Rng(this.seed, 'interrupt', second.n);
    await (second.mode === 'stream' ? this.#follow(own, second, { isPost: true }) : this.#ask(own, second));
    await following;
    return [first];
  }

  /** Many sends to one session at once: the database lets one through at a time. */
  async _rejected(rng, place) {
    const first = this.#submit(rng, place, { mode: 'background', kind: rng.pick(['slow', 'plain']), policy: 'queue' });
    if (!(await this.#ask(rng, first))) return [first];
    const there = { ...place, sessionId: first.sessionId };
    await sleep(rng.pick([0, 0, rng.int(0, 2000)]));
    const sends = Array.from({ length: rng.int(2, 5) }, () => {
      const submit = this.#submit(rng, there, {
        policy: 'reject',
        isKeyed: rng.chance(0.5),
        kind: rng.pick(['slow', 'plain']),
        mode: 'background',
      });
      return this.#ask(new Rng(this.seed, 'reject', submit.n), submit);
    });
    await Promise.all(sends);
    return [first];
  }

  async _regenerated(rng, place) {
    const [first] = await this._plain(rng, place);
    if (first.answerId === null) return [first];
    const submit = this.#submit(
      rng,
      { ...place, sessionId: first.sessionId },
      {
        what: 'regenerate',
        target: first.answerId,
        mode: rng.pick(['plain', 'stream', 'background']),
        policy: 'queue',
      },
    );
    await (submit.mode === 'stream'
      ? this.#follow(rng, submit, { isPost: true, ...this.#manner(rng) })
      : this.#ask(rng, submit));
    return [first];
  }

  /** Says something else in the place of an earlier message: beside it, or at the very beginning. */
  async _edited(rng, place) {
    const [first] = await this._plain(rng, place);
    if (first.answerId === null) return [first];
    const there = { ...place, sessionId: first.sessionId };
    const [second] = await this._plain(rng, there);
    const submit = this.#submit(rng, there, {
      parent: rng.pick([null, first.answerId]),
      mode: rng.pick(['plain', 'stream', 'background']),
      policy: 'queue',
    });
    await (submit.mode === 'stream'
      ? this.#follow(rng, submit, { isPost: true, ...this.#manner(rng) })
      : this.#ask(rng, submit));
    return [second.answerId === null ? first : second];
  }

  /** In a session of its own nothing is in the way; in an older one something may still run. */
  #calmPolicy(rng, place) {
    return place.sessionId === null ? null : rng.pick(['queue', 'queue', 'reject', null]);
  }
}
