import { Injectable } from '@nestjs/common';
import type { QueryResult } from 'pg';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import type { ProviderName } from '../../kernel/provider-name.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { Pipeline, type Statement } from '../../platform/database/pipeline.js';
import { SystemScope } from '../../platform/database/system-scope.js';
import type { ContentPart, LlmParams } from '../llm/public/llm-provider.js';
import type { ContextEntry } from './context/context-builder.js';
import type { Message } from './message.entity.js';
import * as sql from './turn-statements.js';

type Tenant = Pick<Actor, 'userId'>;

/** What a turn asks of the model beyond its project; kept with the claim, so that another instance can ask again. */
export interface TurnRequest {
  readonly model: string | null;
  readonly params: LlmParams;
}

/** The text of a message, its parts when it is more than text, and its size. */
export interface MessageContent {
  readonly content: string;
  readonly parts: ContentPart[] | null;
  readonly tokens: number;
}

export type TurnPlace =
  | { readonly projectId: string }
  | {
      readonly sessionId: string;
      /** When given, the session must belong to it. */
      readonly projectId: string | null;
      /** undefined continues at the newest message, null begins anew beside the first. */
      readonly parentId: string | null | undefined;
    };

/** A claimed turn: both messages are stored, and only the holder of `claimId` may settle it. */
export interface OpenTurn {
  readonly claimId: string;
  readonly attempt: number;
  readonly request: TurnRequest;
  readonly question: Message;
  readonly answer: Message;
  readonly project: {
    readonly provider: ProviderName | null;
    readonly model: string | null;
    readonly params: LlmParams;
  };
  readonly prompts: readonly ContextEntry[];
  /** Newest first. */
  readonly history: readonly ContextEntry[];
}

/** How a turn ended: the columns of the answer that CLOSE writes. */
export type Outcome = Pick<
  Message,
  | 'status'
  | 'content'
  | 'contentTokens'
  | 'finishReason'
  | 'provider'
  | 'model'
  | 'generationId'
  | 'inputTokens'
  | 'outputTokens'
  | 'cachedInputTokens'
  | 'isUsageEstimated'
  | 'costMicroUsd'
  | 'errorCode'
>;

export interface ExpiredTurn {
  readonly userId: string;
  readonly messageId: string;
  readonly claimId: string;
  readonly attempt: number;
  readonly request: TurnRequest;
  readonly isStopRequested: boolean;
}

export interface Lease {
  readonly messageId: string;
  readonly claimId: string;
  readonly isStopRequested: boolean;
}

interface OpenedRow {
  sessionId: string;
  questionId: string;
  parentId: string | null;
  seq: number;
  createdAt: Date;
  projectId: string;
  provider: ProviderName | null;
  model: string | null;
  params: LlmParams;
}

interface ContextRow {
  role: 'system' | 'user' | 'assistant';
  content: string;
  parts: ContentPart[] | null;
  tokens: number | null;
  place: number;
}

/** OPEN and CLOSE, one round trip each, and the claims in between. */
@Injectable()
export class TurnStore {
  /** This instance, as the owner of claims. A restarted process is another owner. */
  private readonly owner = newId();

  constructor(
    private readonly pipeline: Pipeline,
    private readonly system: SystemScope,
    private readonly config: AppConfig,
  ) {}

  /** Stores a question and the place of its answer, and claims the turn. Throws `not_found` or `turn_in_progress`. */
  async open({ userId }: Tenant, place: TurnPlace, given: MessageContent, request: TurnRequest): Promise<OpenTurn> {
    const [questionId, answerId, claimId] = [newId(), newId(), newId()];
    const { content, parts, tokens } = given;
    const claim = this.claim(userId, place.projectId, answerId, claimId, request);
    const values = [...claim, questionId, content, parts === null ? null : JSON.stringify(parts), tokens];
    const open =
      'sessionId' in place
        ? {
            ...sql.OPEN_IN_SESSION,
            values: [...values, place.sessionId, place.parentId !== undefined, place.parentId ?? null],
          }
        : { ...sql.OPEN_IN_NEW_SESSION, values: [...values, newId()] };
    const [opened, context] = await this.run(userId, [open, this.readContext(userId, questionId)]);
    const row = single<OpenedRow>(opened);
    const question: Message = {
      ...emptyMessage(userId, questionId, row),
      parentId: row.parentId,
      seq: row.seq - 1,
      role: 'user',
      content,
      parts,
      contentTokens: tokens,
      status: 'completed',
      completedAt: row.createdAt,
    };
    return { claimId, attempt: 1, request, question, ...this.opened(userId, answerId, row, context) };
  }

  /** Claims another answer to the same question; `messageId` is an answer or the question. Throws as `open` does. */
  async openSibling({ userId }: Tenant, messageId: string, request: TurnRequest): Promise<OpenTurn> {
    const [answerId, claimId] = [newId(), newId()];
    const [opened, asked, context] = await this.run(userId, [
      { ...sql.OPEN_SIBLING, values: this.claim(userId, messageId, answerId, claimId, request) },
      { ...sql.READ_MESSAGE, values: [userId, answerId, true] },
      this.readContextOf(userId, answerId),
    ]);
    const row = single<OpenedRow>(opened);
    return {
      claimId,
      attempt: 1,
      request,
      question: single<Message>(asked),
      ...this.opened(userId, answerId, row, context),
    };
  }

  /** Everything that is needed to run a turn again which another instance has left. */
  async reopen(turn: ExpiredTurn): Promise<OpenTurn> {
    const { userId, messageId } = turn;
    const [opened, asked, context] = await this.run(userId, [
      { ...sql.READ_TURN, values: [userId, messageId] },
      { ...sql.READ_MESSAGE, values: [userId, messageId, true] },
      this.readContextOf(userId, messageId),
    ]);
    const { claimId, attempt, request } = turn;
    const row = single<OpenedRow>(opened);
    return {
      claimId,
      attempt,
      request,
      question: single<Message>(asked),
      ...this.opened(userId, messageId, row, context),
    };
  }

  /** Settles a turn, once: null when the claim is not ours any more and nothing was changed. */
  async close({ claimId, answer }: OpenTurn, outcome: Outcome): Promise<Message | null> {
    const o = outcome;
    const values = [
      answer.userId,
      answer.id,
      claimId,
      o.status,
      o.content,
      o.contentTokens,
      o.finishReason,
      o.provider,
      o.model,
      o.generationId,
      o.inputTokens,
      o.outputTokens,
      o.cachedInputTokens,
      o.isUsageEstimated,
      o.costMicroUsd,
      o.errorCode,
    ];
    const [closed] = await this.run(answer.userId, [{ ...sql.CLOSE, values }]);
    const row = closed?.rows[0] as { completedAt: Date } | undefined;
    return row === undefined ? null : { ...answer, ...outcome, completedAt: row.completedAt };
  }

  async findMessage({ userId }: Tenant, id: string): Promise<Message | null> {
    const [found] = await this.run(userId, [{ ...sql.READ_MESSAGE, values: [userId, id, false] }]);
    return (found?.rows[0] as Message | undefined) ?? null;
  }

  /** The question and the answer of a turn; null when the message is not an answer of this user. */
  async findTurn({ userId }: Tenant, answerId: string): Promise<{ question: Message; answer: Message } | null> {
    const [answers, questions] = await this.run(userId, [
      { ...sql.READ_MESSAGE, values: [userId, answerId, false] },
      { ...sql.READ_MESSAGE, values: [userId, answerId, true] },
    ]);
    const answer = answers?.rows[0] as Message | undefined;
    const question = questions?.rows[0] as Message | undefined;
    return answer?.role === 'assistant' && question !== undefined ? { question, answer } : null;
  }

  /** Asks whoever runs the turn to stop it; false when nobody does any more. */
  async requestStop({ userId }: Tenant, messageId: string): Promise<boolean> {
    const [asked] = await this.run(userId, [{ ...sql.REQUEST_STOP, values: [userId, messageId] }]);
    return asked?.rowCount === 1;
  }

  /** Says that this instance lives; the answer is every claim it still holds. */
  async renewLeases(): Promise<Lease[]> {
    const values = [this.owner, this.config.turnLeaseMs];
    return (await this.system.query('renew the leases of this instance', { ...sql.RENEW_LEASES, values }))
      .rows as Lease[];
  }

  /** Lets other instances take over at once, without waiting for a lease to run out. */
  async releaseLeases(): Promise<void> {
    await this.system.query('hand back the turns of this instance', { ...sql.RELEASE_LEASES, values: [this.owner] });
  }

  /** Takes over turns whose instance has gone silent, each by exactly one instance. */
  async claimExpired(limit: number): Promise<ExpiredTurn[]> {
    const values = [this.owner, this.config.turnLeaseMs, limit];
    return (await this.system.query('take over turns of dead instances', { ...sql.CLAIM_EXPIRED, values }))
      .rows as ExpiredTurn[];
  }

  private run(userId: string, statements: readonly Statement[]): Promise<QueryResult[]> {
    return this.pipeline.run({ userId }, statements);
  }

  private claim(
    userId: string,
    place: string | null,
    answerId: string,
    claimId: string,
    request: TurnRequest,
  ): unknown[] {
    return [userId, place, answerId, claimId, this.owner, this.config.turnLeaseMs, JSON.stringify(request)];
  }

  private readContext(userId: string, questionId: string): Statement {
    return { ...sql.READ_CONTEXT, values: [userId, questionId, this.config.historyMessages] };
  }

  /** The same, when only the answer's id is known here. */
  private readContextOf(userId: string, answerId: string): Statement {
    return { ...sql.READ_CONTEXT_OF_ANSWER, values: [userId, answerId, this.config.historyMessages] };
  }

  private opened(
    userId: string,
    answerId: string,
    row: OpenedRow,
    context: QueryResult | undefined,
  ): Pick<OpenTurn, 'answer' | 'project' | 'prompts' | 'history'> {
    // UNION ALL promises no order.
    const rows = ((context?.rows ?? []) as ContextRow[]).sort((a, b) => a.place - b.place);
    const { provider, model, params } = row;
    return {
      answer: {
        ...emptyMessage(userId, answerId, row),
        parentId: row.questionId,
        seq: row.seq,
        role: 'assistant',
        status: 'pending',
      },
      project: { provider, model, params },
      prompts: rows.filter(({ role }) => role === 'system').map(toEntry),
      // A failed answer has no text: it says nothing to a model.
      history: rows.filter(({ role, content }) => role !== 'system' && content !== '').map(toEntry),
    };
  }
}

function single<T>(result: QueryResult | undefined): T {
  const row = result?.rows[0] as T | undefined;
  if (row === undefined) throw new AppError('not_found');
  return row;
}

function toEntry({ role, content, parts, tokens }: ContextRow): ContextEntry {
  return { message: { role, content: parts ?? content }, tokens: tokens ?? 0 };
}

function emptyMessage(
  userId: string,
  id: string,
  { sessionId, createdAt }: OpenedRow,
): Omit<Message, 'role' | 'status' | 'seq'> {
  return {
    userId,
    id,
    sessionId,
    parentId: null,
    content: '',
    parts: null,
    contentTokens: null,
    finishReason: null,
    provider: null,
    model: null,
    generationId: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    isUsageEstimated: false,
    costMicroUsd: null,
    errorCode: null,
    feedbackRating: null,
    feedbackComment: null,
    createdAt,
    completedAt: null,
  };
}
