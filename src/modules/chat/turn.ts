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

/**
 * The settings of a turn that override its project's. Stored with the claim, so another instance can repeat the call.
 */
export interface TurnRequest {
  readonly model: string | null;
  readonly params: LlmParams;
}

/** The text of a message, its parts if it has images, and its size. */
export interface MessageContent {
  readonly content: string;
  readonly parts: ContentPart[] | null;
  readonly tokens: number;
  /** The title for a session without one. */
  readonly title: string;
}

/** The place of a turn: a new session of a project, or an existing session. */
export type TurnPlace =
  | { readonly projectId: string }
  | {
      readonly sessionId: string;
      /** If not null, the session must belong to this project. */
      readonly projectId: string | null;
      /** undefined continues after the newest message; null starts a new branch at the beginning. */
      readonly parentId: string | null | undefined;
    };

export interface OpenOptions {
  /** Null uses the project's policy. */
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
  /** The position on the path, from 1. */
  readonly position: number;
}

/** A summary of the beginning of a path, written by a model. */
export interface Summary {
  readonly content: string;
  /** The size of its `summaryMessage`. */
  readonly tokens: number;
  /** The number of messages that it replaces, from the first one on. */
  readonly messageCount: number;
}

/** How full the context was, since the last summary. */
export interface Fullness {
  readonly room: number;
  /** Summary, history and question. */
  readonly tokens: number;
  /** History, question and answer. */
  readonly messages: number;
  /** Whether anything was left out. */
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
  /** A summary of the beginning of the path, used when the whole path does not fit. */
  summary: Summary | null;
  /** The number of messages before the question, read or not. */
  readonly pathLength: number;
  /** How full the context was; null until the model is called, and in projects without summaries. */
  fullness: Fullness | null;
  /** False when another turn of the session must end first. */
  readonly isRunning: boolean;
  /** Ids of answers that this turn has asked to stop. */
  readonly interrupted: readonly string[];
  /** Encrypts the stored text; null in a project without encryption. */
  readonly contentKey: ContentKey | null;
  /** Text that an earlier attempt saved before its instance died; null when there is none. */
  readonly savedText: string | null;
  /** Whether its worst case is reserved in a budget, which limits the length of the answer. */
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

/** How a turn ended: the columns of the answer that CLOSE writes, and the provider calls. */
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

/** The progress of a running turn in the database. */
export interface Progress {
  readonly attempt: number;
  readonly owner: string;
  /** The saved text after the requested offset, or from the beginning for another attempt. */
  readonly text: string;
}

/** The place of a turn's calls in the ledger. */
export function ledgerRefOf({ answer, project }: OpenTurn): LedgerRef {
  const { userId, sessionId, id } = answer;
  return { userId, sessionId, projectId: project.projectId, messageId: id };
}
