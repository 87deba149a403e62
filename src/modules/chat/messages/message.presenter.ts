import { AppError } from '../../../kernel/errors/app-error.js';
import { toProblem } from '../../../platform/http/problem.js';
import type { Message as MessageRow } from '../message.entity.js';
import type { Message } from '../public/message.dto.js';

/** What the API shows of a message; a new column stays private until somebody names it here. */
export function presentMessage(row: MessageRow): Message {
  const error = errorOf(row);
  return {
    id: row.id,
    session_id: row.sessionId,
    parent_id: row.parentId,
    role: row.role,
    content: row.parts ?? row.content,
    status: row.status,
    finish_reason: row.finishReason,
    provider: row.provider,
    model: row.model,
    usage: presentUsage(row),
    cost_micro_usd: row.costMicroUsd,
    error: error === null ? null : toProblem(error),
    context: presentContext(row),
    feedback: row.feedbackRating === null ? null : { rating: row.feedbackRating, comment: row.feedbackComment },
    created_at: row.createdAt.toISOString(),
    completed_at: row.completedAt?.toISOString() ?? null,
  };
}

/** Why an answer failed or was interrupted, and when to come back, if that is known; null when it was not. */
export function errorOf({ errorCode, errorDetail }: MessageRow, retryAfterSeconds?: number): AppError | null {
  return errorCode === null ? null : new AppError(errorCode, { detail: errorDetail ?? undefined, retryAfterSeconds });
}

function presentContext({ context }: MessageRow): Message['context'] {
  if (context === null) return null;
  const { messagesSent, summarised, dropped, inputTokens } = context;
  return { messages_sent: messagesSent, summarised, dropped, input_tokens: inputTokens };
}

function presentUsage(row: MessageRow): Message['usage'] {
  if (row.role === 'user' || (row.inputTokens === null && row.outputTokens === null)) return null;
  return {
    input_tokens: row.inputTokens,
    output_tokens: row.outputTokens,
    cached_input_tokens: row.cachedInputTokens,
    estimated: row.isUsageEstimated,
  };
}
