import { AppError } from '../../../kernel/errors/app-error.js';
import type { ContentKey } from '../../../platform/crypto/content-keys.js';
import type { Rows } from '../../../platform/database/statement.js';
import { type Charge, toCharged } from '../../limits/public/turn-limits.js';
import type { ContentPart } from '../../llm/public/llm-provider.js';
import type { BudgetWarning } from '../../usage/public/budgets.js';
import { toEntries } from '../../usage/public/usage-recorder.js';
import type { Message } from '../message.entity.js';
import type {
  ContextEntry,
  MessageContent,
  OpenTurn,
  Outcome,
  PathEntry,
  Progress,
  ProjectFacts,
  Settled,
  Summary,
  TurnRequest,
} from '../turn.js';
import { encryptContent } from './encrypted-content.js';
import type { PromptSet } from './known-prompts.js';
import { emptyMessage } from './message-columns.js';

/** The largest number of a 32-bit column. A provider may report as many tokens of each kind. */
const MAX_INT = 2_147_483_647;

/** The result of OPEN, in all its forms. */
export interface OpenedRow extends ProjectFacts {
  sessionId: string;
  questionId: string;
  parentId: string | null;
  seq: number;
  createdAt: Date;
  isRunning: boolean;
  interrupted?: string[] | null;
  /** The id of the project if it encrypts its content. */
  contentProjectId: string | null;
  /** The saved text of an earlier attempt. */
  text?: string | null;
  isBudgeted?: boolean;
}

/** The result of CLOSE. */
export type ClosedRow = Pick<Message, 'completedAt' | 'costMicroUsd'> & Pick<Settled, 'hasNext'>;

export type ProgressRow = Omit<Progress, 'text'> & { readonly text: string | null };

/** A claimed turn that does not run yet. */
export interface ClaimedTurn {
  readonly userId: string;
  readonly messageId: string;
  readonly claimId: string;
  readonly attempt: number;
  /** How many instances have died while they ran it. */
  readonly crashes: number;
  readonly request: TurnRequest;
  readonly isStopRequested: boolean;
}

export interface Lease {
  readonly messageId: string;
  readonly claimId: string;
  readonly isStopRequested: boolean;
}

/** A session where turns wait and none runs. */
export interface StrandedSession {
  readonly userId: string;
  readonly sessionId: string;
}

/**
 * One row of the context: the stamp of the prompts, the path length, a summary, the charge, or a prompt or message for
 * the model.
 */
export type ContextRow =
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

/** The history before the question, as far as it was read. */
type Said = Pick<OpenTurn, 'history' | 'summary' | 'pathLength'>;

/** The context read for the model, and the charge of the turn. */
export interface ReadContext extends Said {
  readonly charges: Charge[] | null;
  /** Null when no budget applies. */
  readonly warnings: BudgetWarning[] | null;
  /** Null when the cached prompts are current. */
  readonly prompts: PromptSet | null;
}

/** The single row of a statement; throws `not_found` without it. */
export function single<Row extends object>([row]: Rows<Row>): Row {
  if (row === undefined) throw new AppError('not_found');
  return row;
}

/** The part of a turn that comes from OPEN and from the context. */
export type Opened = Omit<OpenTurn, 'claimId' | 'attempt' | 'request' | 'question' | 'contentKey'>;

export function toContext(rows: Rows<ContextRow>): ReadContext {
  // UNION ALL guarantees no order.
  rows.sort((a, b) => (a.place ?? 0) - (b.place ?? 0));
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
      // A failed answer without text is not sent to the model.
      if (row.content !== '' || row.parts !== null) history.push({ ...toEntry(row), position });
      position -= 1;
    }
  }
  return { prompts: stamp === null ? null : { stamp, prompts }, history, summary, pathLength, charges, warnings };
}

/** The stored question. */
export function toQuestion(userId: string, id: string, row: OpenedRow, given: MessageContent): Message {
  // Assign instead of spread: V8 gives each wide object made by spread its own hidden class, 0.8 KB for its lifetime.
  return Object.assign(emptyMessage(userId, id, row), {
    parentId: row.parentId,
    seq: row.seq - 1,
    role: 'user' as const,
    content: given.content,
    parts: given.parts,
    contentTokens: given.tokens,
    status: 'completed' as const,
    completedAt: row.createdAt,
  });
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
    // Assign instead of spread, as above.
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

/**
 * The values of a question for OPEN.
 * @param contentKey encrypts the question; null stores it plain
 */
export function valuesOfQuestion(contentKey: ContentKey | null, questionId: string, given: MessageContent) {
  return {
    questionId,
    ...encryptContent(contentKey, questionId, given),
    contentTokens: given.tokens,
    // An automatic title is stored unencrypted and would reveal the conversation.
    title: contentKey === null ? given.title : null,
  };
}

/** The values for CLOSE: the end of a turn with its usage. */
export function valuesOfClose(turn: OpenTurn, { attempts, ...columns }: Outcome) {
  const { answer, attempt, claimId, project, contentKey, isMetered } = turn;
  const { content, inputTokens, outputTokens } = columns;
  return {
    ...columns,
    ...encryptContent(contentKey, answer.id, { content, parts: null }),
    userId: answer.userId,
    answerId: answer.id,
    claimId,
    attempt,
    projectId: project.projectId,
    calls: toEntries(attempts),
    usedTokens: isMetered ? Math.min((inputTokens ?? 0) + (outputTokens ?? 0), MAX_INT) : null,
  };
}
