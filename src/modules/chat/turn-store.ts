import { Injectable } from '@nestjs/common';
import type { QueryResult } from 'pg';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import type { ProviderName } from '../../kernel/provider-name.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { Pipeline, type Statement } from '../../platform/database/pipeline.js';
import type { ContentPart, LlmParams } from '../llm/public/llm-provider.js';
import type { ConflictPolicy, CrashPolicy } from '../projects/public/turn-policy.js';
import { READ_PROGRESS, READ_TURN } from './claim-statements.js';
import type { ContextEntry } from './context/context-builder.js';
import type { Message } from './message.entity.js';
import { type ClaimedTurn, TurnClaims } from './turn-claims.js';
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
  /** For a session that has no title yet. */
  readonly title: string;
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
  readonly project: ProjectFacts;
  readonly prompts: readonly ContextEntry[];
  /** Newest first. */
  readonly history: readonly ContextEntry[];
  /** False when another turn of the session must end first. */
  readonly isRunning: boolean;
  /** Answers that this turn has asked to stop. */
  readonly interrupted: readonly string[];
  /** Text of an earlier attempt that was safe when its instance died; null when there is none. */
  readonly savedText: string | null;
}

export interface ProjectFacts {
  readonly provider: ProviderName | null;
  readonly model: string | null;
  readonly params: LlmParams;
  readonly onCrash: CrashPolicy;
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

export interface Settled {
  readonly answer: Message;
  /** Whether another turn of the session waits. */
  readonly hasNext: boolean;
}

/** How far a running turn has come in the database. */
export interface Progress {
  readonly attempt: number;
  readonly owner: string;
  /** Safe text after the offset that was asked for, or from the beginning when the attempt is another one. */
  readonly text: string;
}

interface OpenedRow extends ProjectFacts {
  sessionId: string;
  questionId: string;
  parentId: string | null;
  seq: number;
  createdAt: Date;
  isRunning: boolean;
  interrupted?: string[] | null;
  savedText?: string | null;
}

interface ContextRow {
  role: 'system' | 'user' | 'assistant';
  content: string;
  parts: ContentPart[] | null;
  tokens: number | null;
  place: number;
}

/** OPEN and CLOSE, one round trip each, and what others read of a turn. */
@Injectable()
export class TurnStore {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly claims: TurnClaims,
    private readonly config: AppConfig,
  ) {}

  /**
   * Stores a question and the place of its answer, and claims the turn.
   * @param policy null takes the project's
   * Throws `not_found`, or `turn_in_progress` when another runs and the policy is to reject.
   */
  async open(
    { userId }: Tenant,
    place: TurnPlace,
    given: MessageContent,
    request: TurnRequest,
    policy: ConflictPolicy | null,
  ): Promise<OpenTurn> {
    const [questionId, answerId, claimId] = [newId(), newId(), newId()];
    const { content, parts, tokens, title } = given;
    const claim = this.claim(userId, place.projectId, answerId, claimId, request, policy);
    const asked = [questionId, content, parts === null ? null : JSON.stringify(parts), tokens];
    const open =
      'sessionId' in place
        ? {
            ...sql.OPEN_IN_SESSION,
            values: [...claim, ...asked, place.sessionId, title, place.parentId !== undefined, place.parentId ?? null],
          }
        : { ...sql.OPEN_IN_NEW_SESSION, values: [...claim, ...asked, newId(), title] };
    const [opened, context] = await this.run(userId, [open, this.readContext(sql.READ_CONTEXT, userId, questionId)]);
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
    return { claimId, attempt: 1, request, question, ...toOpened(userId, answerId, row, context) };
  }

  /** Claims another answer to the same question; `messageId` is an answer or the question. Throws as `open` does. */
  async openSibling(
    { userId }: Tenant,
    messageId: string,
    request: TurnRequest,
    policy: ConflictPolicy | null,
  ): Promise<OpenTurn> {
    const [answerId, claimId] = [newId(), newId()];
    const [opened, asked, context] = await this.run(userId, [
      { ...sql.OPEN_SIBLING, values: this.claim(userId, messageId, answerId, claimId, request, policy) },
      { ...sql.READ_MESSAGE, values: [userId, answerId, true] },
      this.readContext(sql.READ_CONTEXT_OF_ANSWER, userId, answerId),
    ]);
    const row = single<OpenedRow>(opened);
    return {
      claimId,
      attempt: 1,
      request,
      question: single<Message>(asked),
      ...toOpened(userId, answerId, row, context),
    };
  }

  /** Everything that is needed to run a turn that was opened elsewhere or earlier. Null when it is gone with its session. */
  async reopen({ userId, messageId, claimId, attempt, request }: ClaimedTurn): Promise<OpenTurn | null> {
    const [opened, asked, context] = await this.run(userId, [
      { ...READ_TURN, values: [userId, messageId] },
      { ...sql.READ_MESSAGE, values: [userId, messageId, true] },
      this.readContext(sql.READ_CONTEXT_OF_ANSWER, userId, messageId),
    ]);
    const [row, question] = [opened?.rows[0] as OpenedRow | undefined, asked?.rows[0] as Message | undefined];
    if (row === undefined || question === undefined) return null;
    return { claimId, attempt, request, question, ...toOpened(userId, messageId, row, context) };
  }

  /** Settles a turn, once: null when the claim is not ours any more and nothing was changed. */
  async close({ claimId, answer, attempt }: OpenTurn, outcome: Outcome): Promise<Settled | null> {
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
      attempt,
    ];
    const [closed] = await this.run(answer.userId, [{ ...sql.CLOSE, values }]);
    const row = closed?.rows[0] as { completedAt: Date; hasNext: boolean } | undefined;
    if (row === undefined) return null;
    return { answer: { ...answer, ...outcome, attempt, completedAt: row.completedAt }, hasNext: row.hasNext };
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

  /** How far a turn has come beyond a reader's place, and its answer once it is settled; both null when it is gone. */
  async readProgress(
    { userId }: Tenant,
    answerId: string,
    seen: { attempt: number; offset: number },
  ): Promise<{ progress: Progress | null; settled: Message | null }> {
    // In this order: a turn that settles in between shows as settled, not as gone.
    const [progress, answer] = await this.run(userId, [
      { ...READ_PROGRESS, values: [userId, answerId, seen.attempt, seen.offset] },
      { ...sql.READ_MESSAGE, values: [userId, answerId, false] },
    ]);
    const message = answer?.rows[0] as Message | undefined;
    return {
      progress: (progress?.rows[0] as Progress | undefined) ?? null,
      settled: message?.completedAt == null ? null : message,
    };
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

  private readContext(statement: { name: string; text: string }, userId: string, messageId: string): Statement {
    return { ...statement, values: [userId, messageId, this.config.historyMessages] };
  }
}

function single<T>(result: QueryResult | undefined): T {
  const row = result?.rows[0] as T | undefined;
  if (row === undefined) throw new AppError('not_found');
  return row;
}

type Opened = Omit<OpenTurn, 'claimId' | 'attempt' | 'request' | 'question'>;

function toOpened(userId: string, answerId: string, row: OpenedRow, context: QueryResult | undefined): Opened {
  // UNION ALL promises no order.
  const rows = ((context?.rows ?? []) as ContextRow[]).sort((a, b) => a.place - b.place);
  const { provider, model, params, onCrash, isRunning, interrupted, savedText } = row;
  return {
    answer: {
      ...emptyMessage(userId, answerId, row),
      parentId: row.questionId,
      seq: row.seq,
      role: 'assistant',
      status: 'pending',
    },
    project: { provider, model, params, onCrash },
    prompts: rows.filter(({ role }) => role === 'system').map(toEntry),
    // A failed answer has no text: it says nothing to a model.
    history: rows.filter(({ role, content }) => role !== 'system' && content !== '').map(toEntry),
    isRunning,
    interrupted: interrupted ?? [],
    savedText: savedText ?? null,
  };
}

function toEntry({ role, content, parts, tokens }: ContextRow): ContextEntry {
  return { message: { role, content: parts ?? content }, tokens: tokens ?? 0 };
}

type Unsaid = Omit<Message, 'role' | 'status' | 'seq'>;

function emptyMessage(userId: string, id: string, { sessionId, createdAt }: OpenedRow): Unsaid {
  return {
    userId,
    id,
    sessionId,
    parentId: null,
    content: '',
    parts: null,
    contentTokens: null,
    attempt: 1,
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
