import { checkAll, idleTimes, INVARIANTS, type Row, takeovers, type World } from './invariants.mjs';

/**
 * A session with three turns: one streamed, killed in the middle and taken over, and followed over that; one that waited
 * for it and was stopped; and one regenerated. All is as it should be.
 */
function goodWorld(): World {
  const row = (id: string, seq: number, more: object): Record<string, unknown> => ({
    ...{ id, seq, sessionId: 's', parentId: null, role: 'assistant', status: 'completed', attempt: 1 },
    ...{ model: null, errorCode: null, cost: null, createdAt: 0, completedAt: seq * 1000, content: '', ...more },
  });
  const request = (submit: number, ordinal: number, full: string, more: object): Record<string, unknown> => ({
    ...{ submit, ordinal, full, sent: full, process: 'i0g1', end: 'finished', ...more },
  });
  const ask = (n: number, more: object): Record<string, unknown> => ({
    ...{ n, what: 'send', question: `[q${n}]`, policy: 'queue', askedSession: 's', isKeyed: true, sessionId: 's' },
    ...{ questionId: `q${n}`, answerId: `a${n}`, acks: [{ sessionId: 's', questionId: `q${n}`, answerId: `a${n}` }] },
    ...{ requests: [], followers: [], stops: [], ...more },
  });
  const call = (messageId: string, attempt: number, more: object): Record<string, unknown> => ({
    ...{ messageId, attempt, status: 'completed', cost: null, inputTokens: 7, outputTokens: 2, ...more },
  });
  const event = (id: string, name: string, data: object, at = 0): Record<string, unknown> => ({
    id,
    event: name,
    data,
    at,
  });
  return {
    limits: {
      leaseMs: 1500,
      llmRetries: 1,
      slackMs: 500,
      idleMs: 5000,
      neverMs: 30_000,
      feedMs: 1000,
      strayAttempts: 0.02,
    },
    canary: 'XCANARYX',
    sessions: [{ id: 's', lastSeq: 5 }],
    messages: [
      row('q1', 1, { role: 'user', content: '[q1]' }),
      row('a1', 2, {
        parentId: 'q1',
        content: 'one two',
        attempt: 2,
        model: 'chaos-1-slow',
        completedAt: 6000,
        cost: 5,
      }),
      row('q2', 3, { role: 'user', content: '[q2]', parentId: 'a1' }),
      row('a2', 4, {
        parentId: 'q2',
        content: 'part',
        status: 'stopped',
        model: 'chaos-2-slow',
        completedAt: 8000,
        cost: 4,
      }),
      row('a3', 5, { parentId: 'q2', content: 'again', model: 'chaos-3-plain', completedAt: 9000 }),
    ],
    turns: [],
    chunks: [],
    reservations: [],
    entries: [
      call('a1', 1, { status: 'interrupted', cost: 2 }),
      call('a1', 2, { cost: 3 }),
      call('a2', 1, { status: 'stopped', cost: 4 }),
      call('a3', 1, { status: 'failed', inputTokens: null, outputTokens: null }),
      call('a3', 2, {}),
    ],
    budgets: [{ id: 'b', daySpent: 9, dayInLedger: 9, monthSpent: 9, monthInLedger: 9 }],
    journal: [
      request(1, 0, 'lost words', { sent: 'lost', end: 'closed', startedAt: 100, firstTextAt: 110, endedAt: 2000 }),
      request(1, 1, 'one two', { process: 'i1g1', startedAt: 3500, firstTextAt: 3510, endedAt: 5990 }),
      request(2, 0, 'part of it', { sent: 'part', end: 'closed', startedAt: 6100, firstTextAt: 6110, endedAt: 8000 }),
      request(3, 0, 'again', { startedAt: 8100, firstTextAt: 8110, endedAt: 8990 }),
    ],
    submits: [
      ask(1, {
        followers: [
          {
            outcome: 'ended',
            paceMs: 0,
            segments: [
              { process: 'i0g1', at: 90, endedAt: 2000, isAsking: true, how: 'cut' },
              { process: 'i2g1', at: 2100, endedAt: 6000, how: 'end' },
            ],
            events: [
              event('1.0', 'turn.started', {}),
              event('1.4', 'message.delta', { text: 'lost' }, 200),
              event('2.0', 'turn.restarted', { attempt: 2 }, 4100),
              event('2.3', 'message.delta', { text: 'one' }, 4200),
              event('2.7', 'message.delta', { text: ' two' }, 5900),
              event(
                '2.end',
                'turn.completed',
                { assistant_message: { status: 'completed', content: 'one two' } },
                6000,
              ),
            ],
          },
        ],
      }),
      ask(2, {
        requests: [{ status: 202, at: 150 }],
        stops: [
          {
            at: 7900,
            endedAt: 8010,
            requests: [{ status: 200, at: 7900 }],
            message: { status: 'stopped', content: 'part' },
          },
        ],
      }),
      ask(3, {
        what: 'regenerate',
        target: 'a2',
        acks: [{ sessionId: 's', questionId: 'q2', answerId: 'a3' }],
        requests: [{ status: 200, at: 8050, answer: { status: 'completed', content: 'again' } }],
        isAfterStop: true,
      }),
    ],
    kills: [{ process: 'i0g1', at: 2000 }],
    rolls: [],
    outages: [],
    deaths: [],
    logFaults: [],
    leaks: [],
    hangs: [],
    unexpected: [],
  };
}

type Break = [name: keyof typeof INVARIANTS, what: string, doIt: (world: World) => unknown];

const find = (world: World, id: string): Row => world.messages.find((row) => row.id === id)!;
const follower = (world: World): Row => world.submits[0]!.followers[0];
const asked = (world: World, index: number): Row => world.journal[index]!;

const BREAKS: Break[] = [
  [
    'noQuestionIsLost',
    'an acknowledged answer is gone',
    (w) => (w.messages = w.messages.filter(({ id }) => id !== 'a3')),
  ],
  [
    'noQuestionIsLost',
    'an acknowledged question is gone',
    (w) => (w.messages = w.messages.filter(({ id }) => id !== 'q1')),
  ],
  ['noQuestionIsLost', 'another question was stored', (w) => (find(w, 'q1').content = '[q9]')],
  ['noQuestionIsLost', 'the answer is in another session', (w) => (find(w, 'a1').sessionId = 't')],
  ['nothingIsHalf', 'a question has no answer', (w) => w.messages.push({ ...find(w, 'q1'), id: 'q8', seq: 6 })],
  ['nothingIsHalf', 'an answer has no question', (w) => (find(w, 'a1').parentId = 'nobody')],
  ['nothingIsHalf', 'a question is not complete', (w) => (find(w, 'q1').status = 'failed')],
  ['nothingIsStuck', 'a message is pending', (w) => (find(w, 'a3').status = 'pending')],
  ['nothingIsStuck', 'a claim is left', (w) => w.turns.push({ messageId: 'a3' })],
  ['nothingIsStuck', 'a reservation has no turn', (w) => w.reservations.push({ messageId: 'a3' })],
  ['theLedgerAddsUp', 'an answer costs less than its calls', (w) => (find(w, 'a1').cost = 3)],
  ['theLedgerAddsUp', 'an unknown cost was counted as zero', (w) => (find(w, 'a3').cost = 0)],
  ['theLedgerAddsUp', 'a budget was charged twice', (w) => (w.budgets[0]!.daySpent = 18)],
  ['theLedgerAddsUp', 'a budget missed a call', (w) => (w.budgets[0]!.monthSpent = 5)],
  ['whatWasSaidIsCharged', 'a lost attempt is not charged', (w) => w.entries.splice(0, 1)],
  [
    'whatWasSaidIsCharged',
    'a lost attempt was forgotten',
    (w) => {
      w.entries.splice(0, 1);
      w.entries[0]!.attempt = 1;
    },
  ],
  ['whatWasSaidIsCharged', 'an attempt is charged twice', (w) => w.entries.splice(1, 0, { ...w.entries[0] })],
  ['whatWasSaidIsCharged', 'the text of an answer was not charged', (w) => w.entries.splice(2, 1)],
  ['whatWasSaidIsCharged', 'another outcome was charged', (w) => (w.entries[2]!.status = 'completed')],
  ['nothingIsStuck', 'saved text is left', (w) => w.chunks.push({ messageId: 'a3' })],
  ['sequencesAreWhole', 'a number is missing', (w) => (find(w, 'a3').seq = 6)],
  ['sequencesAreWhole', 'a number is used twice', (w) => (find(w, 'a3').seq = 4)],
  ['sequencesAreWhole', 'the session counter is too high', (w) => (w.sessions[0]!.lastSeq = 6)],
  ['everyTurnEndsOnce', 'a response differs', (w) => (w.submits[2]!.requests[0].answer.content = 'else')],
  ['everyTurnEndsOnce', 'the response to a stop differs', (w) => (find(w, 'a2').status = 'completed')],
  ['everyTurnEndsOnce', 'a terminal event differs', (w) => (find(w, 'a1').status = 'interrupted')],
  ['everyTurnEndsOnce', 'a failure has no code', (w) => (find(w, 'a3').status = 'failed')],
  ['everyTurnEndsOnce', 'it completed, with an error', (w) => (find(w, 'a3').errorCode = 'internal_error')],
  ['everyTurnEndsOnce', 'the problem had another code', (w) => w.submits[1]!.requests.push({ code: 'provider_error' })],
  ['oneAnswerPerSubmit', 'a question is stored twice', (w) => w.messages.push({ ...find(w, 'q1'), id: 'q8' })],
  [
    'oneAnswerPerSubmit',
    'a question has two answers',
    (w) => w.messages.push({ ...find(w, 'a1'), id: 'a8', model: null }),
  ],
  ['oneAnswerPerSubmit', 'a repeat was given another answer', (w) => w.submits[0]!.acks.push({ answerId: 'a8' })],
  ['oneModelAnswerPerAttempt', 'the model spoke twice in an attempt', (w) => (find(w, 'a1').attempt = 1)],
  [
    'oneModelAnswerPerAttempt',
    'the model was asked too often',
    (w) => [1, 2].forEach((ordinal) => w.journal.push({ ...asked(w, 3), ordinal, sent: '' })),
  ],
  ['theLastAttemptSettles', 'the first attempt has settled it', (w) => (find(w, 'a1').content = 'lost words')],
  ['theLastAttemptSettles', 'the answer is not whole', (w) => (find(w, 'a3').content = 'aga')],
  ['theLastAttemptSettles', 'nobody has said the partial text', (w) => (find(w, 'a2').content = 'parts')],
  ['clientsSawWhatIsStored', 'a client saw other text', (w) => (find(w, 'a1').content = 'one too')],
  ['clientsSawWhatIsStored', 'a client missed the end of the text', (w) => follower(w).events.splice(4, 1)],
  [
    'clientsSawWhatIsStored',
    'a client that left saw more text than is stored',
    (w) => {
      follower(w).events.pop();
      follower(w).outcome = 'vanished';
      find(w, 'a1').content = 'one';
    },
  ],
  ['clientsSawWhatIsStored', 'a client saw a later attempt', (w) => (find(w, 'a1').attempt = 1)],
  ['resumingLeavesNoGap', 'a delta is missing', (w) => follower(w).events.splice(3, 1)],
  ['resumingLeavesNoGap', 'a delta came twice', (w) => follower(w).events.splice(4, 0, follower(w).events[3])],
  ['resumingLeavesNoGap', 'an attempt begins unannounced', (w) => follower(w).events.splice(2, 1)],
  ['resumingLeavesNoGap', 'a stream begins in the middle', (w) => follower(w).events.splice(0, 1)],
  ['resumingLeavesNoGap', 'another attempt ends', (w) => (follower(w).events.at(-1).id = '1.end')],
  [
    'attemptsGoForward',
    'a lost attempt comes back',
    (w) => follower(w).events.splice(4, 0, { id: '1.0', event: 'turn.restarted', data: { attempt: 1 } }),
  ],
  [
    'attemptsGoForward',
    'an attempt begins twice',
    (w) => follower(w).events.splice(4, 0, { id: '2.0', event: 'turn.restarted', data: { attempt: 2 } }),
  ],
  ['everyStreamEndsOnce', 'two ends', (w) => follower(w).events.push(follower(w).events.at(-1))],
  ['everyStreamEndsOnce', 'text after the end', (w) => follower(w).events.push(follower(w).events[3])],
  [
    'everyStreamEndsOnce',
    'no end',
    (w) => {
      follower(w).events.pop();
      follower(w).outcome = 'gave-up';
    },
  ],
  ['stopStops', 'a stop was never answered', (w) => (w.submits[1]!.stops[0].message = null)],
  ['stopStops', 'a stop was answered while it ran', (w) => (w.submits[1]!.stops[0].message.status = 'streaming')],
  ['stopStops', 'the model went on', (w) => (asked(w, 2).endedAt = 12_000)],
  ['stopStops', 'it was answered when all was said', (w) => (w.submits[1]!.stops[0].requests[0].at = 5000)],
  ['stopStops', 'the model was asked anew', (w) => w.journal.push({ ...asked(w, 2), ordinal: 1, startedAt: 9000 })],
  [
    'theNextSendIsAccepted',
    'the next send met the stopped turn',
    (w) => w.submits[2]!.requests.push({ code: 'turn_in_progress' }),
  ],
  ['disconnectIsNotCancel', 'nobody asked for the stop', (w) => (w.submits[1]!.stops = [])],
  ['turnsOfASessionAreRunInOrder', 'a later turn ran first', (w) => (asked(w, 2).startedAt = 50)],
  ['oneTurnOfASessionRuns', 'two turns ran at once', (w) => (asked(w, 2).startedAt = 1000)],
  ['oneTurnOfASessionRuns', 'one began just before the other had ended', (w) => (asked(w, 2).startedAt = 5950)],
  ['oneTurnOfASessionRuns', 'two attempts ran at once', (w) => (asked(w, 0).endedAt = 8000)],
  [
    'nobodyWaitsForNothing',
    'a killed turn was not taken over',
    (w) => (asked(w, 1).startedAt = asked(w, 0).endedAt + 5100),
  ],
  ['nobodyWaitsForNothing', 'a finished answer was not stored', (w) => (find(w, 'a3').completedAt = 20_000)],
  ['attemptsHaveACause', 'a turn was taken from a process that lived', (w) => (w.kills = [])],
  [
    'followersAreFedInTime',
    'a follower saw the text at the end only',
    (w) => {
      for (const event of follower(w).events.slice(3)) event.at = 6000;
    },
  ],
  ['providerTextStaysInside', 'a client saw it', (w) => w.leaks.push({ where: 'headers' })],
  ['providerTextStaysInside', 'the log has it', (w) => w.logFaults.push({ kind: 'provider text' })],
  ['providerTextStaysInside', 'it became an answer', (w) => (find(w, 'a2').content = 'a XCANARYX')],
  ['noRequestHangs', 'a request hung', (w) => w.hangs.push({ path: '/chat' })],
  ['nothingUnforeseen', 'a 500', (w) => w.unexpected.push({ status: 500 })],
  ['nothingUnforeseen', 'the log has an error', (w) => w.logFaults.push({ kind: 'error', line: 'x' })],
  ['nothingUnforeseen', 'a process ended by itself', (w) => w.deaths.push({ process: 'i0g1', at: 5 })],
];

describe('the invariants of the chaos run', () => {
  it('hold when all is well', () => {
    expect(Object.entries(checkAll(goodWorld())).filter(([, violations]) => violations.length > 0)).toEqual([]);
  });

  it.each(BREAKS)('%s fails when %s', (name, _what, doIt) => {
    const world = goodWorld();
    doIt(world);
    expect(INVARIANTS[name]?.(world)).not.toEqual([]);
  });

  it('are each broken by one of these cases', () => {
    expect(new Set(BREAKS.map(([name]) => name))).toEqual(new Set(Object.keys(INVARIANTS)));
  });

  it('allow failures that an outage explains, and no others', () => {
    const world = goodWorld();
    find(world, 'a3').completedAt = 20_000;
    world.outages.push({ kind: 'restart', process: null, from: 10_000, to: 15_000, allowMs: 3000 });
    expect(INVARIANTS.nobodyWaitsForNothing?.(world)).toEqual([]);
    find(world, 'a3').completedAt = 30_000;
    expect(INVARIANTS.nobodyWaitsForNothing?.(world)).toHaveLength(1);
  });

  it('do not excuse one process by the outage of another', () => {
    const world = goodWorld();
    asked(world, 0).endedAt = 8000;
    world.outages.push({ kind: 'freeze', process: 'i1g1', from: 0, to: 9000, allowMs: 0 });
    expect(INVARIANTS.oneTurnOfASessionRuns?.(world)).not.toEqual([]);
    world.outages.push({ kind: 'freeze', process: 'i0g1', from: 0, to: 9000, allowMs: 0 });
    expect(INVARIANTS.oneTurnOfASessionRuns?.(world)).toEqual([]);
  });

  it('let a process that has lost its turn call the model once more, but not settle with it', () => {
    const world = goodWorld();
    const stray = { ...asked(world, 1), ordinal: 2, process: 'i0g1', full: 'stray', sent: 'stray' };
    world.journal.push(stray);
    expect(INVARIANTS.theLastAttemptSettles?.(world)).toEqual([]);
    Object.assign(stray, { process: 'i2g1' });
    expect(INVARIANTS.theLastAttemptSettles?.(world)).toHaveLength(1);
  });

  it('measure how long a takeover took', () => {
    expect(takeovers(goodWorld())).toEqual([{ submit: 1, ms: 1500, isDisturbed: false }]);
    expect(idleTimes(goodWorld()).find(({ message }) => message === 'a1')).toMatchObject({ idleMs: 100 });
  });
});
