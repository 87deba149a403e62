import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { newId } from '../../../kernel/ids.js';
import { type ContentKey, ContentKeys } from '../../../platform/crypto/content-keys.js';
import { refusedProject } from '../../../platform/database/pg-errors.js';
import { Pipeline } from '../../../platform/database/pipeline.js';
import type { Rows, RowsOf, Statement } from '../../../platform/database/statement.js';
import { type IdempotencyKey, INSERT_KEY_OF_TURN } from '../../../platform/idempotency/idempotency-key.js';
import { explainRefusal } from '../../limits/public/turn-limits.js';
import { Budgets } from '../../usage/public/budgets.js';
import type { Message } from '../message.entity.js';
import type {
  MessageContent,
  OpenOptions,
  OpenTurn,
  Outcome,
  Progress,
  Settled,
  TurnPlace,
  TurnRequest,
} from '../turn.js';
import { READ_PROGRESS, READ_TURN } from './claim-statements.js';
import { ADMIT, ADMIT_ANSWER, READ_CONTEXT } from './context-statements.js';
import { EncryptedContent } from './encrypted-content.js';
import { EncryptedProjects } from './encrypted-projects.js';
import { KnownPrompts, type PromptSet } from './known-prompts.js';
import { TurnClaims } from './turn-claims.js';
import {
  type ClaimedTurn,
  type ContextRow,
  type Opened,
  type OpenedRow,
  single,
  toContext,
  toOpened,
  toQuestion,
  valuesOfClose,
  valuesOfQuestion,
} from './turn-rows.js';
import * as sql from './turn-statements.js';
import { LimitsConfig } from '../../limits/public/limits.config.js';
import { ChatConfig } from '../public/chat.config.js';

type Tenant = Pick<Actor, 'userId'> & Partial<Pick<Actor, 'projectId' | 'apiKeyId'>>;

/** OPEN and CLOSE, with one round trip each, and the other reads of turns. */
@Injectable()
export class TurnStore {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly claims: TurnClaims,
    private readonly prompts: KnownPrompts,
    private readonly budgets: Budgets,
    private readonly contentKeys: ContentKeys,
    private readonly contents: EncryptedContent,
    private readonly encryptedProjects: EncryptedProjects,
    private readonly config: ChatConfig,
    private readonly limits: LimitsConfig,
  ) {}

  /**
   * Stores a question and its empty answer, and claims the turn.
   * Throws `not_found`, `turn_in_progress` when another runs and the policy is to reject, `idempotency_key_in_use`,
   * `rate_limited`, or what `reserveBudgets` does. After any error, nothing is stored and nothing is charged.
   */
  async open(
    actor: Tenant,
    place: TurnPlace,
    given: MessageContent,
    request: TurnRequest,
    options: OpenOptions,
  ): Promise<OpenTurn> {
    const { userId } = actor;
    const believed = await this.encryptedProjects.findKey(userId, place);
    try {
      return await this.openBy(believed, actor, place, given, request, options);
    } catch (error) {
      const projectId = refusedProject(error);
      if (believed !== null || projectId === null) throw error;
      const contentKey = await this.contentKeys.get({ userId, projectId });
      return this.openBy(contentKey, actor, place, given, request, options);
    }
  }

  /** Opens the turn with the given content key, which comes from a cache and may be wrong. */
  private async openBy(
    contentKey: ContentKey | null,
    actor: Tenant,
    place: TurnPlace,
    given: MessageContent,
    request: TurnRequest,
    { policy, idempotencyKey }: OpenOptions,
  ): Promise<OpenTurn> {
    const { userId } = actor;
    const [questionId, answerId, claimId] = [newId(), newId(), newId()];
    const values = {
      userId,
      ...this.claimOf(answerId, claimId, request),
      policy,
      ...valuesOfQuestion(contentKey, questionId, given),
    };
    const known = this.prompts.find(actor, place);
    const [opened, context] = await this.runGuarded(actor, idempotencyKey, answerId, sql.lockOf(userId, place), [
      'sessionId' in place
        ? sql.OPEN_IN_SESSION({
            ...values,
            ...place,
            hasParent: place.parentId !== undefined,
            parentId: place.parentId ?? null,
          })
        : sql.OPEN_IN_NEW_SESSION({ ...values, ...place, sessionId: newId() }),
      ADMIT(this.admission(actor, questionId, known, answerId, request)),
    ]);
    const row = single(opened);
    if (contentKey !== null) this.encryptedProjects.remember(userId, place, row.sessionId, contentKey);
    const question = toQuestion(userId, questionId, row, given);
    const rest = this.opened(actor, answerId, row, context, known);
    return { claimId, attempt: 1, request, question, contentKey, ...rest };
  }

  /** Claims another answer to the same question; `messageId` is an answer or the question. Throws as `open` does. */
  async openSibling(
    actor: Tenant,
    messageId: string,
    request: TurnRequest,
    { policy, idempotencyKey }: OpenOptions,
  ): Promise<OpenTurn> {
    const { userId } = actor;
    const [answerId, claimId] = [newId(), newId()];
    const lock = sql.LOCK_SESSION_OF({ userId, messageId });
    const known = this.prompts.find(actor, {});
    const [opened, asked, context] = await this.runGuarded(actor, idempotencyKey, answerId, lock, [
      sql.OPEN_SIBLING({ userId, messageId, ...this.claimOf(answerId, claimId, request), policy }),
      sql.READ_MESSAGE({ userId, id: answerId, isQuestionOf: true }),
      ADMIT_ANSWER(this.admission(actor, answerId, known, answerId, request)),
    ]);
    const row = single(opened);
    const contentKey = await this.contentKeyOf(userId, row);
    const rest = this.opened(actor, answerId, row, context, known);
    return { claimId, attempt: 1, request, question: single(asked), contentKey, ...rest };
  }

  /**
   * Reads everything that is needed to run a turn that was opened elsewhere or earlier. Null when it was deleted with
   * its session, or when another instance has claimed it meanwhile.
   */
  async reopen({ userId, messageId, claimId, attempt, request }: ClaimedTurn): Promise<OpenTurn | null> {
    const [[row], [question], context] = await this.run({ userId }, [
      READ_TURN({ userId, answerId: messageId, claimId }),
      sql.READ_MESSAGE({ userId, id: messageId, isQuestionOf: true }),
      READ_CONTEXT(this.bounds(userId, messageId, null)),
    ]);
    if (row === undefined || question === undefined) return null;
    const contentKey = await this.contentKeyOf(userId, row);
    // The row of the claim says whether the turn was charged.
    const rest = this.opened({ userId }, messageId, row, context, null);
    return { claimId, attempt, request, question, contentKey, ...rest, isMetered: true };
  }

  /** Settles a turn, exactly once. Null when this instance has lost the claim; then nothing was changed. */
  async close(turn: OpenTurn, outcome: Outcome): Promise<Settled | null> {
    const { answer, attempt } = turn;
    const { attempts: _, ...columns } = outcome;
    const [[row]] = await this.run(answer, [sql.CLOSE(valuesOfClose(turn, outcome))]);
    if (row === undefined) return null;
    const { completedAt, costMicroUsd, hasNext } = row;
    return { answer: { ...answer, ...columns, attempt, completedAt, costMicroUsd }, hasNext };
  }

  /** The end of this attempt, if an earlier `close` wrote it but its result got lost; otherwise null. */
  async findSettled({ answer, attempt }: OpenTurn): Promise<Settled | null> {
    const message = await this.findMessage(answer, answer.id);
    if (message?.completedAt == null || message.attempt !== attempt) return null;
    // Whether another turn waits is no longer known; checking costs little.
    return { answer: message, hasNext: true };
  }

  async findMessage(actor: Tenant, id: string): Promise<Message | null> {
    const statement = sql.READ_MESSAGE({ userId: actor.userId, id, isQuestionOf: false });
    const [[message = null]] = await this.run(actor, [statement]);
    return message;
  }

  /** The question and the answer of a turn; null when the message is not an answer of this user. */
  async findTurn(actor: Tenant, answerId: string): Promise<{ question: Message; answer: Message } | null> {
    const { userId } = actor;
    const [[answer], [question]] = await this.run(actor, [
      sql.READ_MESSAGE({ userId, id: answerId, isQuestionOf: false }),
      sql.READ_MESSAGE({ userId, id: answerId, isQuestionOf: true }),
    ]);
    return answer?.role === 'assistant' && question !== undefined ? { question, answer } : null;
  }

  /**
   * The progress of a turn after a reader's position, and the answer once it is settled. Both are null when the turn
   * was deleted.
   */
  async readProgress(
    actor: Tenant,
    answerId: string,
    { attempt, offset }: { attempt: number; offset: number },
  ): Promise<{ progress: Progress | null; settled: Message | null }> {
    const { userId } = actor;
    // Keep this order: a turn that settles between the two reads is then seen as settled, not as deleted.
    const [[row], [answer]] = await this.run(actor, [
      READ_PROGRESS({ userId, answerId, attempt, offset }),
      sql.READ_MESSAGE({ userId, id: answerId, isQuestionOf: false }),
    ]);
    return {
      progress: row === undefined ? null : { ...row, text: row.text ?? '' },
      settled: answer?.completedAt == null ? null : answer,
    };
  }

  /** Frees an idempotency key under which no turn was opened. */
  async releaseKey(actor: Tenant, { route, key }: IdempotencyKey): Promise<void> {
    await this.run(actor, [sql.RELEASE_KEY({ userId: actor.userId, route, key })]);
  }

  /** Runs statements and decrypts their rows. All reads of turns go through this method. */
  private async run<const S extends readonly Statement[]>(
    actor: Tenant,
    statements: S,
    ahead: readonly Statement[] = [],
  ): Promise<RowsOf<S>> {
    const results = await this.pipeline.run(actor, statements, ahead);
    for (const rows of results) await this.contents.decrypt(actor.userId, rows);
    return results;
  }

  private async contentKeyOf(userId: string, { contentProjectId }: OpenedRow): Promise<ContentKey | null> {
    return contentProjectId === null ? null : this.contentKeys.get({ userId, projectId: contentProjectId });
  }

  /**
   * Runs statements behind the idempotency key and the session's lock, in one round trip. When the key is taken, none
   * of them runs. Statements after the lock see the state that the previous turn has left.
   */
  private async runGuarded<const S extends readonly Statement[]>(
    actor: Tenant,
    idempotencyKey: IdempotencyKey | null,
    answerId: string,
    lock: Statement | null,
    statements: S,
  ): Promise<RowsOf<S>> {
    const { userId } = actor;
    const guards = [
      ...(idempotencyKey === null ? [] : [INSERT_KEY_OF_TURN({ userId, ...idempotencyKey, messageId: answerId })]),
      ...(lock === null ? [] : [lock]),
    ];
    try {
      return await this.run(actor, statements, guards);
    } catch (error) {
      throw explainRefusal(error);
    }
  }

  private claimOf(answerId: string, claimId: string, request: TurnRequest) {
    return { answerId, claimId, owner: this.claims.owner, leaseMs: this.config.turnLeaseMs, request };
  }

  /** The statement that admits a turn: it reads the context and charges limits and budgets. */
  private admission(
    { userId, apiKeyId = null }: Tenant,
    messageId: string,
    known: PromptSet | null,
    answerId: string,
    { params }: TurnRequest,
  ) {
    const { defaultPlan, usualOutputTokens } = this.limits;
    return {
      ...this.bounds(userId, messageId, known),
      answerId,
      budgetRules: this.budgets.rules,
      apiKeyId,
      defaultPlan,
      maxOutputTokens: params.max_output_tokens ?? null,
      usualOutputTokens,
    };
  }

  private bounds(userId: string, messageId: string, known: PromptSet | null) {
    const { historyMessages, contextTokens } = this.config;
    return { userId, messageId, historyMessages, contextTokens, stamp: known?.stamp ?? null };
  }

  private opened(
    tenant: Tenant,
    answerId: string,
    row: OpenedRow,
    context: Rows<ContextRow>,
    known: PromptSet | null,
  ): Opened {
    const read = toContext(context);
    this.prompts.remember(tenant, row, read.prompts);
    return toOpened(tenant.userId, answerId, row, (read.prompts ?? known)?.prompts ?? [], read);
  }
}
