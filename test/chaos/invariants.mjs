/**
 * What must hold after any run, whatever was killed or cut meanwhile. Each check is a pure function of plain data: what
 * the database holds, what the model was asked and said, what every client saw, and what was broken when. Each returns
 * its violations, an empty list when it holds. The numbers are the invariants of the design that a check belongs to.
 */
import { submitOf } from './submit-of.mjs';

const TERMINAL_STATUSES = new Set(['completed', 'stopped', 'failed', 'interrupted']);
const STATUS_OF_EVENT = {
  'turn.completed': ['completed'],
  'turn.stopped': ['stopped'],
  'turn.failed': ['failed', 'interrupted'],
};
/** Refusals that say nothing about how the turn ends. */
const UNDECIDED = new Set([
  'database_unavailable',
  'overloaded',
  'shutting_down',
  'turn_interrupted',
  'turn_in_progress',
  'idempotency_key_in_use',
  'not_found',
]);

export const INVARIANTS = {
  // 1
  noQuestionIsLost({ submits, messages }) {
    const byId = new Map(messages.map((row) => [row.id, row]));
    return submits.flatMap(({ n, what, question, acks = [] }) =>
      acks.flatMap(({ questionId, answerId, sessionId }) => {
        const [asked, answer] = [byId.get(questionId), byId.get(answerId)];
        if (asked === undefined || answer === undefined) return [{ submit: n, answerId, is: 'acknowledged, and gone' }];
        const isWhole =
          asked.role === 'user' &&
          answer.role === 'assistant' &&
          answer.parentId === questionId &&
          answer.sessionId === sessionId &&
          (what !== 'send' || asked.content === question);
        return isWhole ? [] : [{ submit: n, answerId, is: 'acknowledged, and stored otherwise' }];
      }),
    );
  },

  // 1, 3: OPEN is all or nothing.
  nothingIsHalf({ messages }) {
    const byId = new Map(messages.map((row) => [row.id, row]));
    const answered = new Set(messages.map(({ parentId }) => parentId));
    return messages.flatMap(({ id, role, parentId, sessionId, status }) => {
      if (role === 'user') {
        if (!answered.has(id)) return [{ message: id, is: 'a question without an answer' }];
        return status === 'completed' ? [] : [{ message: id, is: `a question that is ${status}` }];
      }
      const asked = byId.get(parentId);
      return asked?.role === 'user' && asked.sessionId === sessionId
        ? []
        : [{ message: id, is: 'an answer to nothing' }];
    });
  },

  // 2, 9
  nothingIsStuck({ messages, turns, chunks, reservations }) {
    return [
      ...messages
        .filter(({ status }) => !TERMINAL_STATUSES.has(status))
        .map(({ id, status }) => ({ message: id, is: `still ${status}` })),
      ...turns.map(({ messageId }) => ({ message: messageId, is: 'a claim left behind' })),
      ...chunks.map(({ messageId }) => ({ message: messageId, is: 'text left behind' })),
      ...reservations.map(({ messageId }) => ({ message: messageId, is: 'money left reserved' })),
    ];
  },

  // What is said to be spent is what the ledger has, and an answer costs what its calls do.
  theLedgerAddsUp({ messages, entries, budgets }) {
    const byMessage = groupBy(entries, ({ messageId }) => messageId);
    const wrong = messages.flatMap(({ id, role, cost }) => {
      if (role === 'user') return [];
      const calls = byMessage.get(id) ?? [];
      const isKnown = calls.every(
        (call) => call.cost !== null || (call.status === 'failed' && call.inputTokens === null),
      );
      const known = calls.filter((call) => call.cost !== null);
      const sum = isKnown && known.length > 0 ? known.reduce((total, call) => total + call.cost, 0) : null;
      return sum === cost ? [] : [{ message: id, cost, inLedger: sum }];
    });
    const drifted = budgets.filter(
      ({ daySpent, dayInLedger, monthSpent, monthInLedger }) =>
        daySpent !== dayInLedger || monthSpent !== monthInLedger,
    );
    return [...wrong, ...drifted];
  },

  // Whoever has spoken is paid, once an attempt, and the last call ended as the answer did.
  whatWasSaidIsCharged({ messages, entries }) {
    const byMessage = groupBy(entries, ({ messageId }) => messageId);
    return messages.flatMap(({ id, role, status, content, attempt }) => {
      if (role === 'user') return [];
      const calls = byMessage.get(id) ?? [];
      const found = (is) => [{ message: id, status, is, calls: calls.map((call) => call.status).join(' ') }];
      if (calls.some((call, i) => call.attempt !== i + 1)) return found('a call is missing or there twice');
      if (content === '' && status !== 'completed') return [];
      if (calls.length === 0 || calls.at(-1).outputTokens === null) return found('nobody is charged');
      // An attempt that is settled without having run was not asked for.
      if (calls.length < attempt - (status === 'completed' ? 0 : 1)) return found('an attempt is not charged');
      // What is settled unrun, was said in an attempt before.
      if (status !== calls.at(-1).status && attempt === 1) return found('the last call ended otherwise');
      return [];
    });
  },

  sequencesAreWhole({ messages, sessions }) {
    const bySession = groupBy(messages, ({ sessionId }) => sessionId);
    return sessions.flatMap(({ id, lastSeq }) => {
      const seqs = (bySession.get(id) ?? []).map(({ seq }) => seq).sort((a, b) => a - b);
      const isWhole = seqs.length === lastSeq && seqs.every((seq, i) => seq === i + 1);
      return isWhole ? [] : [{ session: id, lastSeq, seqs: seqs.join(' ').slice(0, 200) }];
    });
  },

  // 2: whoever heard an end heard the one that is stored.
  everyTurnEndsOnce({ submits, messages }) {
    const byId = new Map(messages.map((row) => [row.id, row]));
    const broken = messages
      .filter(({ role, status, completedAt, errorCode }) => {
        if (role !== 'assistant' || !TERMINAL_STATUSES.has(status)) return false;
        return completedAt === null || ['failed', 'interrupted'].includes(status) !== (errorCode !== null);
      })
      .map(({ id, status }) => ({ message: id, is: `half ${status}` }));
    for (const { n, answerId, requests, followers, stops } of submits) {
      const row = byId.get(answerId);
      if (row === undefined) continue;
      const differs = (heard, by) => {
        if (heard.status !== row.status || heard.content !== row.content)
          broken.push({ submit: n, message: row.id, by, heard: brief(heard), stored: brief(row) });
      };
      for (const { answer } of requests) if (answer !== undefined) differs(answer, 'response');
      for (const { message } of stops)
        if (message !== null && TERMINAL_STATUSES.has(message.status)) differs(message, 'stop');
      for (const { events } of followers) {
        for (const { event, data } of events) {
          if (!(event in STATUS_OF_EVENT)) continue;
          if (!STATUS_OF_EVENT[event].includes(data.assistant_message.status))
            broken.push({ submit: n, message: row.id, is: `${event} with ${data.assistant_message.status}` });
          differs(data.assistant_message, event);
        }
      }
      for (const { code } of requests) {
        if (code != null && !UNDECIDED.has(code) && row.errorCode !== code)
          broken.push({ submit: n, message: row.id, by: 'problem', heard: code, stored: row.errorCode });
      }
    }
    return broken;
  },

  // 3
  oneAnswerPerSubmit({ submits, messages }) {
    const questions = groupBy(
      messages.filter(({ role }) => role === 'user'),
      ({ content }) => content,
    );
    const answers = groupBy(
      messages.filter(({ role }) => role === 'assistant'),
      ({ parentId }) => parentId,
    );
    const byModel = groupBy(
      messages.filter(({ role }) => role === 'assistant'),
      ({ model }) => submitOf(model),
    );
    const regenerates = groupBy(
      submits.filter(({ what }) => what === 'regenerate'),
      ({ target }) => target,
    );
    return submits.flatMap(({ n, what, question, acks = [] }) => {
      const found = [];
      const asked = what === 'send' ? (questions.get(question) ?? []) : [];
      if (asked.length > 1) found.push({ submit: n, is: `${asked.length} times in the session` });
      for (const { id } of asked) {
        const siblings = answers.get(id) ?? [];
        const wanted = 1 + siblings.reduce((sum, row) => sum + (regenerates.get(row.id)?.length ?? 0), 0);
        if (siblings.length > wanted) found.push({ submit: n, is: `${siblings.length} answers, ${wanted} wanted` });
      }
      const ids = new Set([...acks.map(({ answerId }) => answerId), ...(byModel.get(n) ?? []).map(({ id }) => id)]);
      if (ids.size > 1) found.push({ submit: n, is: `answered by ${[...ids].join(', ')}` });
      return found;
    });
  },

  // 3: retries of a provider happen before its first word, so an attempt hears a model speak at most once.
  oneModelAnswerPerAttempt(world) {
    const { limits } = world;
    return answered(world).flatMap(({ submit, row, asked }) => {
      const spoken = asked.filter(({ sent }) => sent !== '').length;
      if (spoken > row.attempt) return [{ submit: submit.n, message: row.id, spoken, attempts: row.attempt }];
      const most = row.attempt * (1 + limits.llmRetries);
      return asked.length > most ? [{ submit: submit.n, message: row.id, requests: asked.length, most }] : [];
    });
  },

  // 2: the text comes from one answer of the model, and from the last one unless the turn was cut.
  theLastAttemptSettles(world) {
    return answered(world).flatMap(({ submit, row, asked }) => {
      if (row.content === '' && row.status !== 'completed') return [];
      const last = asked.at(-1);
      const facts = { submit: submit.n, message: row.id, status: row.status, stored: row.content.slice(0, 60) };
      if (row.status === 'completed') {
        const isBy = (entry) => entry !== undefined && entry.full === row.content && entry.end === 'finished';
        const isLast = isBy(last) || isBy(asked.filter((entry) => !isStrayRetry(entry, asked)).at(-1));
        return isLast
          ? []
          : [{ ...facts, attempts: row.attempt, completedAt: row.completedAt, asked: asked.map(traceOf) }];
      }
      const sources = row.status === 'failed' ? [last] : asked;
      return sources.some((entry) => entry?.sent.startsWith(row.content)) ? [] : [{ ...facts, is: 'said by no one' }];
    });
  },

  // 4
  clientsSawWhatIsStored({ submits, messages }) {
    const byId = new Map(messages.map((row) => [row.id, row]));
    return submits.flatMap(({ n, answerId, followers }) => {
      const row = byId.get(answerId);
      if (row === undefined) return [];
      return followers.flatMap(({ events, outcome }) => {
        const { attempt, text } = lastText(events);
        if (attempt > row.attempt)
          return [{ submit: n, message: row.id, is: `saw attempt ${attempt} of ${row.attempt}` }];
        if (attempt < row.attempt && outcome !== 'ended') return [];
        const isTrue =
          outcome === 'ended' ? attempt === row.attempt && text === row.content : row.content.startsWith(text);
        return isTrue
          ? []
          : [{ submit: n, message: row.id, outcome, attempt, saw: text.slice(-60), stored: row.content.slice(-60) }];
      });
    });
  },

  // 5: ids of events are places in the text, so a gap or an overlap shows in them.
  resumingLeavesNoGap({ submits }) {
    return submits.flatMap(({ n, answerId, followers }) =>
      followers.flatMap(({ events }) => {
        let place = null;
        for (const [index, { id, event, data }] of events.entries()) {
          const [attempt, offset] = placeOf(id);
          const broken = (is) => [{ submit: n, message: answerId, index, id, event, is, before: place?.join('.') }];
          if (event === 'turn.started') {
            if (index > 0 && place[1] !== 0) return broken('begun again in the middle');
            if (offset !== 0) return broken('does not begin at 0');
            place = [attempt, 0];
          } else if (event === 'turn.restarted') {
            if (offset !== 0 || data.attempt !== attempt) return broken('restarts at another place');
            place = [attempt, 0];
          } else if (place === null) return broken('begins without turn.started');
          else if (event === 'message.delta') {
            if (attempt !== place[0]) return broken('another attempt without a word');
            if (offset !== place[1] + data.text.length)
              return broken(offset > place[1] + data.text.length ? 'gap' : 'overlap');
            place = [attempt, offset];
          } else if (attempt !== place[0]) return broken('ends another attempt');
        }
        return [];
      }),
    );
  },

  // 4, 5: an attempt that was given up does not come back, and one that goes on is not begun again.
  attemptsGoForward({ submits }) {
    return submits.flatMap(({ n, answerId, followers }) =>
      followers.flatMap(({ events }) => {
        let highest = 0;
        for (const { event, id } of events) {
          const [attempt] = placeOf(id);
          if (attempt < highest || (event === 'turn.restarted' && attempt === highest))
            return [{ submit: n, message: answerId, event, id, after: `attempt ${highest}` }];
          highest = attempt;
        }
        return [];
      }),
    );
  },

  // 5
  everyStreamEndsOnce({ submits }) {
    return submits.flatMap(({ n, answerId, followers }) =>
      followers.flatMap(({ events, outcome, segments }) => {
        const first = events.findIndex(({ event }) => event in STATUS_OF_EVENT);
        if (first !== -1 && first !== events.length - 1)
          return [{ submit: n, message: answerId, is: `${events[first + 1].event} after ${events[first].event}` }];
        if (first !== -1 || ['vanished', 'unknown', 'refused'].includes(outcome)) return [];
        return [{ submit: n, message: answerId, is: 'no end', outcome, segments: segments.length }];
      }),
    );
  },

  // 6
  stopStops(world) {
    const { submits, limits } = world;
    const asked = groupBy(world.journal, ({ submit }) => submit);
    return submits.flatMap(({ n, stops, answerId }) =>
      stops.flatMap(({ requests, message, endedAt }) => {
        const facts = { submit: n, message: answerId };
        if (message === null)
          return [{ ...facts, is: 'stop was never answered', code: requests.at(-1)?.code ?? requests.at(-1)?.error }];
        if (!TERMINAL_STATUSES.has(message.status)) {
          const { at } = requests.at(-1);
          return outageMs(world, null, at, endedAt) > 0 ? [] : [{ ...facts, is: `answered while ${message.status}` }];
        }
        // Asked while the way to the database was broken, it takes as long as that.
        const since = requests.at(-1).at;
        const late = (asked.get(n) ?? []).filter(({ startedAt, endedAt: to }) => {
          if (startedAt > endedAt + 100) return true;
          const until = to ?? Infinity;
          return until > since + limits.slackMs + outageMs(world, null, since, Math.min(until, endedAt + 10_000));
        });
        return late.length === 0
          ? []
          : [{ ...facts, is: 'the model went on after the stop', ms: late[0].endedAt - since }];
      }),
    );
  },

  // 6
  theNextSendIsAccepted({ submits }) {
    return submits
      .filter(
        ({ isAfterStop, requests }) => isAfterStop === true && requests.some(({ code }) => code === 'turn_in_progress'),
      )
      .map(({ n, sessionId }) => ({ submit: n, session: sessionId, is: '409 after a stop' }));
  },

  // 6, 7: only who asks for it stops a turn.
  disconnectIsNotCancel({ submits, messages }) {
    const stopped = new Set(submits.flatMap(({ stops, answerId }) => (stops.length > 0 ? [answerId] : [])));
    const interrupted = new Set(
      submits.flatMap(({ policy, askedSession }) => (policy === 'interrupt' ? [askedSession] : [])),
    );
    const ofSubmit = new Set(submits.map(({ answerId }) => answerId));
    return messages
      .filter(
        ({ id, status, sessionId }) =>
          status === 'stopped' && ofSubmit.has(id) && !stopped.has(id) && !interrupted.has(sessionId),
      )
      .map(({ id }) => ({ message: id, is: 'stopped by nobody' }));
  },

  // 8
  turnsOfASessionAreRunInOrder(world) {
    return eachSession(world, (session, turns) => {
      const found = [];
      for (const [i, { row, asked }] of turns.entries()) {
        const before = turns
          .slice(0, i)
          .filter((turn) => turn.asked.length > 0)
          .at(-1);
        if (before === undefined || asked.length === 0) continue;
        if (asked[0].startedAt < before.asked[0].startedAt)
          found.push({
            session,
            seq: row.seq,
            ran: 'before',
            other: before.row.seq,
            byMs: before.asked[0].startedAt - asked[0].startedAt,
          });
      }
      return found;
    });
  },

  // 2, 8: a process that has lost its claim does not know it at once, but by its lease.
  oneTurnOfASessionRuns(world) {
    return eachSession(world, (session, turns) => {
      const entries = turns.flatMap(({ row, asked }) => asked.map((entry) => ({ ...entry, seq: row.seq })));
      entries.sort((a, b) => a.startedAt - b.startedAt);
      const found = [];
      for (const [i, { row, asked }] of turns.entries()) {
        for (const before of turns.slice(0, i)) {
          // The next turn is claimed after the settling of the one before has been committed, whoever runs it.
          const earlyMs = before.row.completedAt - (asked[0]?.startedAt ?? Infinity);
          if (earlyMs > 5)
            found.push({ session, seqs: [before.row.seq, row.seq], is: 'began before the end', earlyMs });
        }
      }
      for (const [i, a] of entries.entries()) {
        for (const b of entries.slice(i + 1)) {
          const [from, to] = [b.startedAt, Math.min(a.endedAt ?? Infinity, b.endedAt ?? Infinity)];
          const allowed =
            world.limits.leaseMs + world.limits.slackMs + outageMs(world, a.process, from - world.limits.leaseMs, to);
          if (to - from > allowed)
            found.push({
              session,
              seqs: [a.seq, b.seq],
              processes: [a.process, b.process],
              overlapMs: to - from,
              allowed,
            });
        }
      }
      return found;
    });
  },

  // 9: as long as one instance lives, no turn is nobody's for long.
  nobodyWaitsForNothing(world) {
    const { idleMs: most, neverMs } = world.limits;
    return idleTimes(world).filter(({ idleMs, wholeMs }) => idleMs > most || wholeMs > neverMs);
  },

  // A busy machine may miss a renewal now and then; more than that is a lease nobody renews.
  attemptsHaveACause(world) {
    const { outages } = world;
    const ends = [...world.kills, ...world.rolls, ...world.deaths];
    const all = answered(world);
    const found = all.flatMap(({ submit, row, asked }) => {
      if (row.attempt === 1 || row.completedAt === null) return [];
      const ran = new Set(asked.map(({ process }) => process));
      // An attempt that never came as far as the model ran nobody knows where.
      const isOurs = (process) => asked.length < row.attempt || process === null || ran.has(process);
      const isCaused =
        ends.some(({ process, at }) => isOurs(process) && at >= row.createdAt && at <= row.completedAt) ||
        outages.some(({ process, from, to, allowMs }) => {
          return isOurs(process) && from <= row.completedAt && to + allowMs >= row.createdAt;
        });
      return isCaused ? [] : [{ submit: submit.n, message: row.id, status: row.status, attempts: row.attempt }];
    });
    return found.length > world.limits.strayAttempts * all.length ? found : [];
  },

  // 5: what runs at one instance is followed at another while it runs, not afterwards.
  followersAreFedInTime(world) {
    const asked = groupBy(world.journal, ({ submit }) => submit);
    return world.submits.flatMap(({ n, answerId, followers }) =>
      followers.flatMap(({ segments, events, paceMs }) =>
        segments.flatMap((segment) => {
          if (segment.isAsking || paceMs > 0) return [];
          return (asked.get(n) ?? []).flatMap((entry) => {
            if (entry.firstTextAt === null || entry.process === segment.process) return [];
            const from = Math.max(entry.firstTextAt, segment.at);
            const until = Math.min(entry.endedAt ?? 0, segment.endedAt);
            const limit =
              world.limits.feedMs +
              outageMs(world, entry.process, from, until) +
              outageMs(world, segment.process, from, until);
            if (until - from < limit) return [];
            const isFed = events.some(
              ({ event, at }) => event === 'message.delta' && at >= segment.at && at <= from + limit,
            );
            return isFed
              ? []
              : [{ submit: n, message: answerId, by: segment.process, runsAt: entry.process, waitedMs: until - from }];
          });
        }),
      ),
    );
  },

  // 10
  providerTextStaysInside({ leaks, logFaults, messages, canary }) {
    return [
      ...leaks,
      ...logFaults.filter(({ kind }) => kind === 'provider text'),
      ...messages
        .filter(({ content, errorCode }) => `${content} ${errorCode}`.includes(canary))
        .map(({ id }) => ({ message: id })),
    ];
  },

  noRequestHangs({ hangs }) {
    return hangs;
  },

  /** No 500, no loud line but that the database is away, no process that ends by itself while there is a database. */
  nothingUnforeseen({ unexpected, logFaults, deaths, outages }) {
    const wasAway = ({ process, at }) =>
      outages.some((o) => (o.process === null || o.process === process) && at >= o.from && at <= o.to + 6000);
    return [
      ...unexpected,
      ...logFaults.filter(({ kind }) => kind !== 'provider text'),
      ...deaths.filter((death) => !wasAway(death)),
    ];
  },
};

export function checkAll(world) {
  return Object.fromEntries(Object.entries(INVARIANTS).map(([name, check]) => [name, check(world)]));
}

/** From each kill to the next sign of each turn that the process held: the model is asked elsewhere, or it has settled. */
export function takeovers(world) {
  const turns = answered(world);
  return world.kills.flatMap(({ process, at }) =>
    turns.flatMap(({ submit, row, asked }) => {
      const held = asked.filter(({ startedAt }) => startedAt <= at).at(-1);
      if (held?.process !== process || row.completedAt === null || row.completedAt <= at) return [];
      const next = asked.find(({ startedAt }) => startedAt > at);
      const ms = (next?.startedAt ?? row.completedAt) - at;
      return [{ submit: submit.n, ms, isDisturbed: outageMs(world, next?.process ?? '', at, at + ms) > 0 }];
    }),
  );
}

/** The longest time that nobody ran a turn that could have been run, without outages and times without any instance. */
export function idleTimes(world) {
  return eachSession(world, (session, turns) => {
    const found = [];
    let readyAt = 0;
    for (const { submit, row, asked } of turns) {
      if (row.completedAt === null) continue;
      let from = Math.max(readyAt, row.createdAt);
      const note = (to, next) => {
        const idleMs = to - from - outageMs(world, undefined, from, to);
        if (idleMs > 0)
          found.push({ session, submit: submit.n, message: row.id, idleMs, wholeMs: to - from, before: next, from });
      };
      for (const entry of asked) {
        note(entry.startedAt, `request ${entry.ordinal}`);
        from = Math.max(from, entry.endedAt ?? entry.startedAt);
      }
      note(row.completedAt, 'the end');
      readyAt = Math.max(readyAt, row.completedAt);
    }
    return found;
  });
}

/** Each submit with its row and what the model was asked for it, in order. */
function answered(world) {
  const byId = new Map(world.messages.map((row) => [row.id, row]));
  const byModel = new Map(world.messages.map((row) => [submitOf(row.model), row]));
  const asked = groupBy(world.journal, ({ submit }) => submit);
  return world.submits.flatMap((submit) => {
    const row = byId.get(submit.answerId) ?? byModel.get(submit.n);
    if (row === undefined || row.role !== 'assistant') return [];
    return [{ submit, row, asked: (asked.get(submit.n) ?? []).sort((a, b) => a.ordinal - b.ordinal) }];
  });
}

function eachSession(world, check) {
  const sessions = groupBy(answered(world), ({ row }) => row.sessionId);
  return [...sessions].flatMap(([session, turns]) => {
    return check(
      session,
      turns.sort((a, b) => a.row.seq - b.row.seq),
    );
  });
}

/**
 * How much of a time was disturbed, with what it takes to recover. `process` names whose disturbances count beside those
 * of all; null and undefined count everybody's.
 */
function outageMs({ outages }, process, from, to) {
  const parts = outages
    .filter((o) => process == null || o.process === null || o.process === process)
    .map((o) => [Math.max(from, o.from), Math.min(to, o.to + o.allowMs)])
    .filter(([a, b]) => b > a)
    .sort(([a], [b]) => a - b);
  let [sum, until] = [0, -Infinity];
  for (const [a, b] of parts) {
    sum += Math.max(0, b - Math.max(a, until));
    until = Math.max(until, b);
  }
  return sum;
}

/** A process that has lost the turn without knowing may ask the model once more; its answer must change nothing. */
function isStrayRetry({ process, ordinal }, asked) {
  const before = asked.find((entry) => entry.process === process)?.ordinal ?? ordinal;
  return asked.some((entry) => entry.process !== process && entry.ordinal > before && entry.ordinal < ordinal);
}

function traceOf({ ordinal, process, kind, startedAt, endedAt, end, sent }) {
  return `.${ordinal} ${kind} at ${process} ${startedAt}-${endedAt} ${end}, ${sent.length} said`;
}

function lastText(events) {
  let [attempt, text] = [0, ''];
  for (const { id, event, data } of events) {
    const [of] = placeOf(id);
    if (of !== attempt) text = '';
    attempt = of;
    if (event === 'turn.started' || event === 'turn.restarted') text = '';
    if (event === 'message.delta') text += data.text;
  }
  return { attempt, text };
}

function placeOf(id) {
  const [attempt, offset] = String(id).split('.');
  return [Number(attempt), offset === 'end' ? 'end' : Number(offset)];
}

function brief({ status, content }) {
  return `${status} (${content.length}) ${content.slice(-30)}`;
}

function groupBy(list, keyOf) {
  const groups = new Map();
  for (const item of list) {
    const key = keyOf(item);
    if (groups.has(key)) groups.get(key).push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
