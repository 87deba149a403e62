import type { Answer } from '../../../platform/database/statement.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import type { IdempotencyKey } from '../../../platform/idempotency/idempotency-key.js';
import type { ContentKey } from '../../../platform/crypto/content-keys.js';
import type { ContentPart, LlmParams } from '../../llm/public/llm-provider.js';
import type { ProviderAttempt } from '../../llm/public/provider-attempt.js';
import type { ProjectProvider } from '../../provider-keys/public/project-providers.js';
import { type Charge, type Charged, toCharged } from '../../limits/public/turn-limits.js';
import type { ConflictPolicy, ContextOverflow, CrashPolicy } from '../../projects/public/turn-policy.js';
import type { ContextEntry, Fullness, PathEntry, Summary } from '../context/context-builder.js';
import type { PromptSet } from './known-prompts.js';
import type { BudgetWarning } from '../../usage/public/budgets.js';
import { toEntries } from '../../usage/public/usage-recorder.js';
import type { UsagePlace } from '../../usage/public/used-call.js';
import type { Message } from '../messages/message.entity.js';
import { sealContent } from './sealed-content.js';

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

export interface OpenOptions {
  /** Null takes the project's. */
  readonly policy: ConflictPolicy | null;
  readonly key: IdempotencyKey | null;
}

/** A claimed turn: both messages are stored, and only the holder of `claimId` may settle it. */
export interface OpenTurn extends Charged {
  readonly claimId: string;
  readonly attempt: number;
  readonly request: TurnRequest;
  readonly question: Message;
  readonly answer: Message;
  readonly project: ProjectFacts;
  /** Empty once the model has been asked. */
  prompts: readonly ContextEntry[];
  /** Newest first. Empty once the model has been asked. */
  history: readonly PathEntry[];
  /** What stands for the beginning of the path, when there is need of it. */
  summary: Summary | null;
  /** How many messages come before the question, read or not. */
  readonly pathLength: number;
  /** How full the context was, where its project wants summaries; null until the model is asked. */
  fullness: Fullness | null;
  /** False when another turn of the session must end first. */
  readonly isRunning: boolean;
  /** Answers that this turn has asked to stop. */
  readonly interrupted: readonly string[];
  /** By which its text is stored; null when that is plain. */
  readonly contentKey: ContentKey | null;
  /** Text of an earlier attempt that was safe when its instance died; null when there is none. */
  readonly savedText: string | null;
  /** Whether its worst case is reserved in a budget, so that it may not become longer than that. */
  readonly isBudgeted: boolean;
  readonly budgetWarnings: readonly BudgetWarning[];
}

export interface ProjectFacts extends ProjectProvider {
  readonly projectId: string;
  readonly model: string | null;
  readonly params: LlmParams;
  readonly onCrash: CrashPolicy;
  readonly contextOverflow: ContextOverflow;
}

/** How a turn ended: the columns of the answer that CLOSE writes, and the calls of providers that it took. */
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
  | 'errorDetail'
  | 'context'
> & { readonly attempts: readonly ProviderAttempt[] };

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

/** What OPEN gives back, however a turn is opened. */
export interface OpenedRow extends ProjectFacts {
  sessionId: string;
  questionId: string;
  parentId: string | null;
  seq: number;
  createdAt: Date;
  isRunning: boolean;
  interrupted?: string[] | null;
  /** The project, when it encrypts its content. */
  contentProjectId: string | null;
  /** What is safe of an earlier attempt. */
  text?: string | null;
  isBudgeted?: boolean;
}

/** The stamp of the prompts, how long the path is, a summary of its beginning, what was charged, or what may go to the model. */
type ContextRow =
  | { readonly role: 'stamp'; readonly content: string; readonly place: null }
  | { readonly role: 'path'; readonly place: number }
  | { readonly role: 'summary'; readonly content: string; readonly tokens: number; readonly place: number }
  | { readonly role: 'charged'; readonly parts: Charge[] | null; readonly place: null }
  | { readonly role: 'reserved'; readonly parts: BudgetWarning[]; readonly place: null }
  | EntryRow;

interface EntryRow {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  readonly parts: ContentPart[] | null;
  readonly tokens: number | null;
  readonly place: number;
}

/** What was said before the question, as far as it was read. */
type Said = Pick<OpenTurn, 'history' | 'summary' | 'pathLength'>;

/** What was read for the model, and what the turn was charged with it. */
export interface ReadContext extends Said {
  readonly charges: Charge[] | null;
  /** Null when no budget applies. */
  readonly warnings: BudgetWarning[] | null;
  /** Null when they are those that the instance knows. */
  readonly prompts: PromptSet | null;
}

/** The one row that a statement must give; without it, what was asked for is not there. */
export function single<T>(result: Answer | undefined): T {
  const row = result?.rows[0] as T | undefined;
  if (row === undefined) throw new AppError('not_found');
  return row;
}

/** What the rows of OPEN and of the context say of a turn. */
export type Opened = Omit<OpenTurn, 'claimId' | 'attempt' | 'request' | 'question' | 'contentKey'>;

export function toContext(context: Answer | undefined): ReadContext {
  // UNION ALL promises no order.
  const rows = ((context?.rows ?? []) as ContextRow[]).sort((a, b) => (a.place ?? 0) - (b.place ?? 0));
  const pathLength = rows.find(({ role }) => role === 'path')?.place ?? 0;
  let stamp: string | null = null;
  let summary: Summary | null = null;
  let charges: Charge[] | null = null;
  let warnings: BudgetWarning[] | null = null;
  const prompts: ContextEntry[] = [];
  const history: PathEntry[] = [];
  let position = pathLength;
  for (const row of rows) {
    if (row.role === 'stamp') stamp = row.content;
    else if (row.role === 'summary') summary = { content: row.content, tokens: row.tokens, messageCount: row.place };
    else if (row.role === 'charged') charges = row.parts;
    else if (row.role === 'reserved') warnings = row.parts;
    else if (row.role === 'system') prompts.push(toEntry(row));
    else if (row.role !== 'path') {
      // A failed answer has no text: it says nothing to a model.
      if (row.content !== '' || row.parts !== null) history.push({ ...toEntry(row), position });
      position -= 1;
    }
  }
  return { prompts: stamp === null ? null : { stamp, prompts }, history, summary, pathLength, charges, warnings };
}

export function toOpened(
  userId: string,
  answerId: string,
  row: OpenedRow,
  prompts: readonly ContextEntry[],
  { history, summary, pathLength, charges, warnings }: ReadContext,
): Opened {
  const { projectId, provider, providerKey, fallbacks, model, params, onCrash, contextOverflow } = row;
  const { isRunning, interrupted, text } = row;
  return {
    // As the question: assigned, not spread.
    answer: Object.assign(emptyMessage(userId, answerId, row), {
      parentId: row.questionId,
      seq: row.seq,
      role: 'assistant' as const,
      status: 'pending' as const,
    }),
    project: { projectId, provider, providerKey, fallbacks, model, params, onCrash, contextOverflow },
    prompts,
    history,
    summary,
    pathLength,
    fullness: null,
    isRunning,
    interrupted: interrupted ?? [],
    savedText: text ?? null,
    isBudgeted: row.isBudgeted ?? warnings !== null,
    budgetWarnings: warnings ?? [],
    ...toCharged(charges),
  };
}

function toEntry({ role, content, parts, tokens }: EntryRow): ContextEntry {
  return { message: { role, content: parts ?? content }, tokens: tokens ?? 0 };
}

type Unsaid = Omit<Message, 'role' | 'status' | 'seq'>;

/** A message of which nothing has been said yet. */
export function emptyMessage(userId: string, id: string, { sessionId, createdAt }: OpenedRow): Unsaid {
  return {
    userId,
    id,
    sessionId,
    parentId: null,
    pathLength: null,
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
    errorDetail: null,
    context: null,
    feedbackRating: null,
    feedbackComment: null,
    sealed: null,
    sealedComment: null,
    createdAt,
    completedAt: null,
  };
}

/** The values of CLOSE: what has become of an answer, as it is stored, with what it has used. */
export function valuesOfClose(turn: OpenTurn, o: Outcome): unknown[] {
  const { claimId, answer, project, attempt, contentKey, isMetered } = turn;
  const { content, sealed } = sealContent(contentKey, answer.id, { content: o.content, parts: null });
  return [
    ...[answer.userId, answer.id, claimId, o.status, content, o.contentTokens, o.finishReason],
    ...[o.provider, o.model, o.generationId, o.inputTokens, o.outputTokens, o.cachedInputTokens, o.isUsageEstimated],
    ...[o.errorCode, attempt, sealed, o.context === null ? null : JSON.stringify(o.context), o.errorDetail],
    ...[project.projectId, toEntries(o.attempts), isMetered ? (o.inputTokens ?? 0) + (o.outputTokens ?? 0) : null],
  ];
}

/** Where in the ledger the calls of a turn belong. */
export function placeOf({ answer, project }: OpenTurn): UsagePlace {
  const { userId, sessionId, id } = answer;
  return { userId, sessionId, projectId: project.projectId, messageId: id };
}
