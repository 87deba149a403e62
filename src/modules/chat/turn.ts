import type { ContentKey } from '../../platform/crypto/content-keys.js';
import type { IdempotencyKey } from '../../platform/idempotency/idempotency-key.js';
import type { Charged } from '../limits/public/turn-limits.js';
import type { ContentPart, LlmMessage, LlmParams } from '../llm/public/llm-provider.js';
import type { ProviderAttempt } from '../llm/public/provider-attempt.js';
import type { ConflictPolicy, ContextOverflow, CrashPolicy } from '../projects/public/turn-policy.js';
import type { ProjectProvider } from '../provider-keys/public/project-providers.js';
import type { BudgetWarning } from '../usage/public/budgets.js';
import type { LedgerRef } from '../usage/public/used-call.js';
import type { Message } from './message.entity.js';

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

/** Where a turn is asked: in a new session of a project, or in a session that exists. */
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
  readonly idempotencyKey: IdempotencyKey | null;
}

/** A prompt or message that may go to the model, with its size in tokens. */
export interface ContextEntry {
  readonly message: LlmMessage;
  readonly tokens: number;
}

/** A message on the path to the question. */
export interface PathEntry extends ContextEntry {
  /** Which message of the path it is, from 1. */
  readonly position: number;
}

/** What a model has said of the beginning of a path. */
export interface Summary {
  readonly content: string;
  /** Size of what the model gets to read of it: `summaryMessage`. */
  readonly tokens: number;
  /** It stands for that many messages, from the first one on. */
  readonly messageCount: number;
}

/** How much of the room for what is said there is use of, since the last summary; in tokens and messages. */
export interface Fullness {
  readonly room: number;
  /** Summary, history and question. */
  readonly tokens: number;
  /** History, question and answer. */
  readonly messages: number;
  /** Whether something had no room. */
  readonly isOver: boolean;
}

// Chat templates wrap each message in a few tokens and open the answer with some more:
// https://github.com/openai/openai-cookbook, "How to count tokens with tiktoken".
export const PER_MESSAGE = 4;
export const PER_ANSWER = 3;

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

/** Where in the ledger the calls of a turn belong. */
export function ledgerRefOf({ answer, project }: OpenTurn): LedgerRef {
  const { userId, sessionId, id } = answer;
  return { userId, sessionId, projectId: project.projectId, messageId: id };
}
