import { AppError } from '../../../kernel/errors/app-error.js';
import { toProblem } from '../../../platform/http/problem.js';
import { toMessageParts } from './message-content.decorator.js';
import type { Message } from '../message.entity.js';
import type { MessageResponse } from '../public/message.dto.js';

/** The public fields of a message. A new column stays private until it is added here. */
export function presentMessage(row: Message): MessageResponse {
  const error = errorOf(row);
  return {
    id: row.id,
    session_id: row.sessionId,
    parent_id: row.parentId,
    role: row.role,
    text: row.content,
    parts: toMessageParts(row.content, row.parts),
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

/** The error of a failed or interrupted answer, with the time to retry if known; null for other answers. */
export function errorOf({ errorCode, errorDetail }: Message, retryAfterSeconds?: number): AppError | null {
  return errorCode === null ? null : new AppError(errorCode, { detail: errorDetail ?? undefined, retryAfterSeconds });
}

function presentContext({ context }: Message): MessageResponse['context'] {
  if (context === null) return null;
  const { messagesSent, summarised, dropped, inputTokens } = context;
  return { messages_sent: messagesSent, summarised, dropped, input_tokens: inputTokens };
}

function presentUsage(row: Message): MessageResponse['usage'] {
  if (row.role === 'user' || (row.inputTokens === null && row.outputTokens === null)) return null;
  return {
    input_tokens: row.inputTokens,
    output_tokens: row.outputTokens,
    cached_input_tokens: row.cachedInputTokens,
    estimated: row.isUsageEstimated,
  };
}
