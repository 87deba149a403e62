import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { newId } from '../../../kernel/ids.js';
import { type ContentKey, ContentKeys } from '../../../platform/crypto/content-keys.js';
import { Pipeline } from '../../../platform/database/pipeline.js';
import type { Answer, Statement } from '../../../platform/database/statement.js';
import { claimForTurn, type IdempotencyKey } from '../../../platform/idempotency/idempotency-key.js';
import { explainRefusal } from '../../limits/public/turn-limits.js';
import type { ConflictPolicy } from '../../projects/public/turn-policy.js';
import { READ_PROGRESS, READ_TURN } from './claim-statements.js';
import { Budgets } from '../../usage/public/budgets.js';
import { ADMIT, ADMIT_ANSWER, READ_CONTEXT } from '../context/context-statements.js';
import { KnownPrompts, type PromptSet } from './known-prompts.js';
import type { Message } from '../messages/message.entity.js';
import {
  type MessageContent,
  type OpenedRow,
  type OpenOptions,
  type Opened,
  type OpenTurn,
  type Outcome,
  type Progress,
  type Settled,
  single,
  toContext,
  toOpened,
  type TurnPlace,
  type TurnRequest,
  valuesOfClose,
} from './open-turn.js';
import { lockOf, openStatement, toQuestion } from './open-question.js';
import { SealedContent } from './sealed-content.js';
import { SealedPlaces } from './sealed-places.js';
import { type ClaimedTurn, TurnClaims } from './turn-claims.js';
import * as sql from './turn-statements.js';
import { LimitsConfig } from '../../limits/public/limits.config.js';
import { ChatConfig } from '../public/chat.config.js';

type Tenant = Pick<Actor, 'userId'> & Partial<Pick<Actor, 'projectId' | 'apiKeyId'>>;

/** OPEN and CLOSE, one round trip each, and what others read of a turn. */
@Injectable()
export class TurnStore {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly claims: TurnClaims,
    private readonly prompts: KnownPrompts,
    private readonly budgets: Budgets,
    private readonly contentKeys: ContentKeys,
    private readonly contents: SealedContent,
    private readonly places: SealedPlaces,
    private readonly config: ChatConfig,
    private readonly limits: LimitsConfig,
  ) {}

  /**
   * Stores a question and the place of its answer, and claims the turn.
   * Throws `not_found`, `turn_in_progress` when another runs and the policy is to reject, `idempotency_key_in_use`,
   * `rate_limited`, or what `reserveBudgets` does. Whatever is thrown, nothing is stored and nothing is charged.
   */
  async open(
    actor: Tenant,
    place: TurnPlace,
    given: MessageContent,
    request: TurnRequest,
    options: OpenOptions,
  ): Promise<OpenTurn> {
    const open = (contentKey: ContentKey | null): Promise<OpenTurn> =>
      this.openBy(contentKey, actor, place, given, request, options);
    return this.places.open(actor.userId, place, open);
  }

  /** The same, by the key that the project is believed to have for its content. */
  private async openBy(
    contentKey: ContentKey | null,
    actor: Tenant,
    place: TurnPlace,
    given: MessageContent,
    request: TurnRequest,
    { policy, key }: OpenOptions,
  ): Promise<OpenTurn> {
    const { userId } = actor;
    const [questionId, answerId, claimId] = [newId(), newId(), newId()];
    const claim = this.claim(userId, place.projectId, answerId, claimId, request, policy);
    const prompts = this.prompts.find(actor, place);
    const [opened, context] = await this.runGuarded(actor, key, answerId, lockOf(userId, place), [
      openStatement(place, claim, questionId, given, contentKey),
      this.admit(ADMIT, actor, questionId, prompts, answerId, request),
    ]);
    const row = single<OpenedRow>(opened);
    return {
      claimId,
      attempt: 1,
      request,
      question: toQuestion(userId, questionId, row, given),
      contentKey,
      ...this.opened(actor, answerId, row, context, prompts),
    };
  }

  /** Claims another answer to the same question; `messageId` is an answer or the question. Throws as `open` does. */
  async openSibling(
    actor: Tenant,
    messageId: string,
    request: TurnRequest,
    { policy, key }: OpenOptions,
  ): Promise<OpenTurn> {
    const { userId } = actor;
    const [answerId, claimId] = [newId(), newId()];
    const lock = { ...sql.LOCK_SESSION_OF, values: [userId, messageId] };
    const known = this.prompts.find(actor, {});
    const [opened, asked, context] = await this.runGuarded(actor, key, answerId, lock, [
      { ...sql.OPEN_SIBLING, values: this.claim(userId, messageId, answerId, claimId, request, policy) },
      { ...sql.READ_MESSAGE, values: [userId, answerId, true] },
      this.admit(ADMIT_ANSWER, actor, answerId, known, answerId, request),
    ]);
    const row = single<OpenedRow>(opened);
    return {
      claimId,
      attempt: 1,
      request,
      question: single<Message>(asked),
      contentKey: await this.contentKeyOf(userId, row),
      ...this.opened(actor, answerId, row, context, known),
    };
  }

  /** Everything that is needed to run a turn that was opened elsewhere or earlier. Null when it is gone with its session, or another's by now. */
  async reopen({ userId, messageId, claimId, attempt, request }: ClaimedTurn): Promise<OpenTurn | null> {
    const [opened, asked, context] = await this.run({ userId }, [
      { ...READ_TURN, values: [userId, messageId, claimId] },
      { ...sql.READ_MESSAGE, values: [userId, messageId, true] },
      { ...READ_CONTEXT, values: this.valuesOfContext(userId, messageId, null) },
    ]);
    const [row, question] = [opened?.rows[0] as OpenedRow | undefined, asked?.rows[0] as Message | undefined];
    if (row === undefined || question === undefined) return null;
    const contentKey = await this.contentKeyOf(userId, row);
    // Whether it was charged stands with its claim.
    const found = this.opened({ userId }, messageId, row, context, null);
    return { claimId, attempt, request, question, contentKey, ...found, isMetered: true };
  }

  /** Settles a turn, once: null when the claim is not ours any more and nothing was changed. */
  async close(turn: OpenTurn, outcome: Outcome): Promise<Settled | null> {
    const { answer, attempt } = turn;
    const [closed] = await this.run(answer, [{ ...sql.CLOSE, values: valuesOfClose(turn, outcome) }]);
    const row = closed?.rows[0] as (Pick<Message, 'completedAt' | 'costMicroUsd'> & Settled) | undefined;
    if (row === undefined) return null;
    const { attempts: _, ...columns } = outcome;
    const { completedAt, costMicroUsd, hasNext } = row;
    return { answer: { ...answer, ...columns, attempt, completedAt, costMicroUsd }, hasNext };
  }

  /** The end of this very attempt, when a `close` whose answer got lost had written it; null when there is none. */
  async findSettled({ answer, attempt }: OpenTurn): Promise<Settled | null> {
    const message = await this.findMessage(answer, answer.id);
    if (message?.completedAt == null || message.attempt !== attempt) return null;
    // Whether another waits is not known any more; to look costs little.
    return { answer: message, hasNext: true };
  }

  async findMessage(actor: Tenant, id: string): Promise<Message | null> {
    const { userId } = actor;
    const [found] = await this.run(actor, [{ ...sql.READ_MESSAGE, values: [userId, id, false] }]);
    return (found?.rows[0] as Message | undefined) ?? null;
  }

  /** The question and the answer of a turn; null when the message is not an answer of this user. */
  async findTurn(actor: Tenant, answerId: string): Promise<{ question: Message; answer: Message } | null> {
    const { userId } = actor;
    const [answers, questions] = await this.run(actor, [
      { ...sql.READ_MESSAGE, values: [userId, answerId, false] },
      { ...sql.READ_MESSAGE, values: [userId, answerId, true] },
    ]);
    const answer = answers?.rows[0] as Message | undefined;
    const question = questions?.rows[0] as Message | undefined;
    return answer?.role === 'assistant' && question !== undefined ? { question, answer } : null;
  }

  /** How far a turn has come beyond a reader's place, and its answer once it is settled; both null when it is gone. */
  async readProgress(
    actor: Tenant,
    answerId: string,
    seen: { attempt: number; offset: number },
  ): Promise<{ progress: Progress | null; settled: Message | null }> {
    const { userId } = actor;
    // In this order: a turn that settles in between shows as settled, not as gone.
    const [progress, answer] = await this.run(actor, [
      { ...READ_PROGRESS, values: [userId, answerId, seen.attempt, seen.offset] },
      { ...sql.READ_MESSAGE, values: [userId, answerId, false] },
    ]);
    const message = answer?.rows[0] as Message | undefined;
    const row = progress?.rows[0] as (Omit<Progress, 'text'> & { text: string | null }) | undefined;
    return {
      progress: row === undefined ? null : { ...row, text: row.text ?? '' },
      settled: message?.completedAt == null ? null : message,
    };
  }

  /** Gives a key back under which nothing was opened. */
  async releaseKey(actor: Tenant, { route, key }: IdempotencyKey): Promise<void> {
    const { userId } = actor;
    await this.run(actor, [{ ...sql.RELEASE_KEY, values: [userId, route, key] }]);
  }

  /** All that is read of a turn comes back through here, opened. */
  private async run(actor: Tenant, statements: readonly Statement[]): Promise<Answer[]> {
    const results = await this.pipeline.run(actor, statements);
    for (const { rows } of results) await this.contents.open(actor.userId, rows as object[]);
    return results;
  }

  private async contentKeyOf(userId: string, { contentProjectId }: OpenedRow): Promise<ContentKey | null> {
    return contentProjectId === null ? null : this.contentKeys.get({ userId, projectId: contentProjectId });
  }

  /**
   * The key comes first: when it is taken, nothing of the rest happens, in the same round trip. Then the session's lock;
   * the statements behind it see what the turn that it waited for has left.
   */
  private async runGuarded(
    actor: Tenant,
    key: IdempotencyKey | null,
    answerId: string,
    lock: Statement | null,
    statements: Statement[],
  ): Promise<Answer[]> {
    const guards = [
      ...(key === null ? [] : [claimForTurn(actor.userId, key, answerId)]),
      ...(lock === null ? [] : [lock]),
    ];
    try {
      return (await this.run(actor, [...guards, ...statements])).slice(guards.length);
    } catch (error) {
      throw explainRefusal(error);
    }
  }

  private claim(
    userId: string,
    place: string | null,
    answerId: string,
    claimId: string,
    request: TurnRequest,
    policy: ConflictPolicy | null,
  ): unknown[] {
    return [
      userId,
      place,
      answerId,
      claimId,
      this.claims.owner,
      this.config.turnLeaseMs,
      JSON.stringify(request),
      policy,
    ];
  }

  private admit(
    statement: { name: string; text: string },
    { userId, apiKeyId = null }: Tenant,
    messageId: string,
    known: PromptSet | null,
    answerId: string,
    { params }: TurnRequest,
  ): Statement {
    const { defaultPlan, usualOutputTokens } = this.limits;
    const limits = [apiKeyId, defaultPlan, params.max_output_tokens ?? null, usualOutputTokens];
    const values = [...this.valuesOfContext(userId, messageId, known), answerId, this.budgets.rules, ...limits];
    return { ...statement, values };
  }

  private valuesOfContext(userId: string, messageId: string, known: PromptSet | null): unknown[] {
    const { historyMessages, contextTokens } = this.config;
    return [userId, messageId, historyMessages, contextTokens, known?.stamp ?? null];
  }

  private opened(
    tenant: Tenant,
    answerId: string,
    row: OpenedRow,
    context: Answer | undefined,
    known: PromptSet | null,
  ): Opened {
    const read = toContext(context);
    return toOpened(tenant.userId, answerId, row, this.prompts.settle(tenant, row, known, read.prompts), read);
  }
}
