import { patch } from '../support/patch-program.mjs';

const CHAT = 'modules/chat/';

/**
 * The system broken on purpose, one promise at a time: `--break <name>` must end red, by one of the invariants in `red`.
 * `program` changes the copy of the built server, `database` the schema.
 */
export const MUTANTS = {
  'settle-without-claim': {
    program: patch(
      `${CHAT}storage/turn-statements.js`,
      /and t\.message_id = :answerId and t\.claim_id = :claimId/g,
      'and t.message_id = :answerId and :claimId::uuid is not null',
    ),
    red: ['theLastAttemptSettles', 'everyTurnEndsOnce', 'clientsSawWhatIsStored', 'oneModelAnswerPerAttempt'],
    plan: { freeze: 12, kill: 2 },
  },
  'no-unique-index': {
    database: 'drop index uq_turns_running',
    red: ['oneTurnOfASessionRuns'],
  },
  'no-session-lock': {
    program: patch(`${CHAT}storage/turn-statements.js`, /('turn_lock_session'[^`]*`[^`]*) for update/, '$1'),
    red: ['turnsOfASessionAreRunInOrder', 'oneTurnOfASessionRuns', 'nothingUnforeseen'],
  },
  'no-flush': {
    program: patch(`${CHAT}running/turn-keeper.job.js`, /if \(behind\.length === 0\)\s*return;/, 'return;'),
    red: ['followersAreFedInTime'],
  },
  'flush-loses-text': {
    program: patch(`${CHAT}running/turn-keeper.job.js`, 'live.textFrom(savedLength)', 'live.textFrom(savedLength + 1)'),
    red: ['clientsSawWhatIsStored', 'resumingLeavesNoGap'],
  },
  'no-takeover': {
    program: patch(`${CHAT}storage/claim-statements.js`, 'where is_running and lease_until <= now()', 'where false'),
    red: ['nothingIsStuck'],
  },
  'no-renewal': {
    program: patch(
      `${CHAT}storage/claim-statements.js`,
      'any(:claimIds::uuid[]) and is_running',
      'any(:claimIds::uuid[]) and false',
    ),
    red: ['attemptsHaveACause'],
  },
  'forgetful-queue': {
    program: patch(`${CHAT}storage/claim-statements.js`, 'order by seq limit 1', 'order by seq desc limit 1'),
    red: ['turnsOfASessionAreRunInOrder'],
  },
  'queue-without-heirs': {
    program: patch(
      `${CHAT}storage/claim-statements.js`,
      'where not w.is_running and not exists',
      'where false and not exists',
    ),
    also: patch(`${CHAT}running/turn-runner.js`, 'if (settled.hasNext)', 'if (false)'),
    red: ['nothingIsStuck'],
  },
  'deaf-to-stops': {
    program: patch(
      `${CHAT}storage/claim-statements.js`,
      'stop_requested_at = coalesce(stop_requested_at, now())',
      'owner = owner',
    ),
    red: ['stopStops'],
  },
  'disconnect-cancels': {
    program: patch(
      `${CHAT}turns/turn-stream.js`,
      'return turn.follow(pump);',
      "const leave = turn.follow(pump); return () => { leave(); turn.abort.abort(Object.assign(Object.create(globalThis.TurnAbort.prototype), { why: 'stop' })); };",
    ),
    also: patch(
      `${CHAT}following/live-turn.js`,
      'export class LiveTurn',
      'globalThis.TurnAbort = TurnAbort;\nexport class LiveTurn',
    ),
    red: ['disconnectIsNotCancel'],
  },
  'two-ends': {
    program: patch(
      `${CHAT}turns/turn-stream.js`,
      /if \(turn\.settled !== null\)\s*send\(END, terminalEvent\(turn\.settled\)\);/,
      'if (turn.settled !== null) { send(END, terminalEvent(turn.settled)); send(END, terminalEvent(turn.settled)); }',
    ),
    red: ['everyStreamEndsOnce'],
  },
  'resume-one-off': {
    program: patch(
      `${CHAT}turns/turn-stream.js`,
      'offset += text.length;',
      'offset += text.length + (seen === null ? 0 : 1);',
    ),
    red: ['resumingLeavesNoGap', 'clientsSawWhatIsStored'],
  },
  'no-keys': {
    program: patch('platform/idempotency/idempotency-keys.js', 'if (key === undefined)', 'if (true)'),
    red: ['oneAnswerPerSubmit'],
  },
  'commits-in-memory': {
    database: 'alter system set synchronous_commit = off; select pg_reload_conf()',
    red: ['noQuestionIsLost', 'everyTurnEndsOnce'],
    plan: { restart: 4, kill: 0, roll: 0, freeze: 0, cut: 0 },
  },
  'budgets-without-ledger': {
    database: 'drop trigger spend on usage_entries',
    red: ['theLedgerAddsUp'],
  },
  'forgetful-takeover': {
    program: patch(`${CHAT}running/model-call.js`, 'addLost(turn.attempt - 1,', 'addLost(0,'),
    red: ['whatWasSaidIsCharged'],
  },
  'provider-text-in-log': {
    program: patch(`${CHAT}running/model-call.js`, 'this.log.debug(', 'this.log.warn('),
    red: ['providerTextStaysInside'],
  },
};
