import {
  Check,
  Column,
  CreateDateColumn,
  Entity,
  ForeignKey,
  Index,
  PrimaryColumn,
  Unique,
  type ValueTransformer,
} from 'typeorm';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';
import type { AnswererName } from '../../kernel/provider-name.js';
import type { ContentPart, FinishReason } from '../llm/public/llm-provider.js';

export const MESSAGE_STATUSES = ['pending', 'streaming', 'completed', 'stopped', 'failed', 'interrupted'] as const;
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

/** What a model was given to read. The first three add up to the path with its question. */
export interface ContextFacts {
  /** Messages that it got word for word, the question included; prompts are not counted. */
  readonly messagesSent: number;
  /** Messages for which a summary stands. */
  readonly summarised: number;
  /** Messages that it got nothing of. A failed answer says nothing, so it is not missed, if it was read at all. */
  readonly dropped: number;
  /** Our own count; the provider's may differ by its template. */
  readonly inputTokens: number;
}

/** PostgreSQL's bigint arrives as text; micro-dollars stay far below 2^53. */
const bigint: ValueTransformer = {
  from: (value: string | null) => (value === null ? null : Number(value)),
  to: (value: number | null) => value,
};

@Entity('messages')
@ForeignKey('chat_sessions', ['userId', 'sessionId'], ['userId', 'id'], {
  name: 'fk_messages_session_id',
  onDelete: 'CASCADE',
})
@ForeignKey('messages', ['userId', 'parentId'], ['userId', 'id'], {
  name: 'fk_messages_parent_id',
  onDelete: 'CASCADE',
})
@Index('ix_messages_parent_id', ['userId', 'parentId'])
@Unique('uq_messages_seq', ['userId', 'sessionId', 'seq'])
@Check('ck_messages_role', `role in ('user', 'assistant')`)
@Check('ck_messages_status', `status in ('pending', 'streaming', 'completed', 'stopped', 'failed', 'interrupted')`)
@Check('ck_messages_settled', `(status in ('pending', 'streaming')) = (completed_at is null)`)
@Check('ck_messages_failed', `(status in ('failed', 'interrupted')) = (error_code is not null)`)
@Check('ck_messages_user', `role = 'assistant' or (status = 'completed' and content_tokens is not null)`)
@Check('ck_messages_feedback_rating', `feedback_rating in ('up', 'down')`)
@Check('ck_messages_feedback', 'feedback_comment is null or feedback_rating is not null')
@Check('ck_messages_sealed', `sealed is null or (content = '' and parts is null)`)
@Check(
  'ck_messages_sealed_comment',
  'sealed_comment is null or (feedback_comment is null and feedback_rating is not null)',
)
export class Message {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_messages' })
  userId: string;

  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pk_messages' })
  id: string;

  @Column('uuid', { name: 'session_id' })
  sessionId: string;

  @Column('uuid', { name: 'parent_id', nullable: true })
  parentId: string | null;

  /** How many messages there are from the beginning of the session to this one, along its branch; null of old ones. */
  @Column('int', { name: 'path_length', nullable: true })
  pathLength: number | null;

  @Column('int')
  seq: number;

  @Column('text')
  role: 'user' | 'assistant';

  @Column('text')
  content: string;

  /** The message as parts, when it is more than text; `content` then holds its text alone. */
  @Column('jsonb', { nullable: true })
  parts: ContentPart[] | null;

  /** Content and parts of a project that encrypts them; both are empty then. Null in memory, where it is decrypted. */
  @Column('bytea', { nullable: true })
  sealed: Buffer | null;

  @Column('int', { name: 'content_tokens', nullable: true })
  contentTokens: number | null;

  @Column('text')
  status: MessageStatus;

  /** How often the answer was begun; more than 1 when instances died. */
  @Column('int', { default: 1 })
  attempt: number;

  @Column('text', { name: 'finish_reason', nullable: true })
  finishReason: FinishReason | null;

  @Column('text', { nullable: true })
  provider: AnswererName | null;

  @Column('text', { nullable: true })
  model: string | null;

  /** The provider's own id of the generation. */
  @Column('text', { name: 'generation_id', nullable: true })
  generationId: string | null;

  @Column('int', { name: 'input_tokens', nullable: true })
  inputTokens: number | null;

  @Column('int', { name: 'output_tokens', nullable: true })
  outputTokens: number | null;

  @Column('int', { name: 'cached_input_tokens', nullable: true })
  cachedInputTokens: number | null;

  /** Whether the counts are ours, because the provider gave none. */
  @Column('boolean', { name: 'is_usage_estimated', default: false })
  isUsageEstimated: boolean;

  @Column('bigint', { name: 'cost_micro_usd', nullable: true, transformer: bigint })
  costMicroUsd: number | null;

  @Column('text', { name: 'error_code', nullable: true })
  errorCode: ErrorCode | null;

  /** A sentence of our own about the error, where its title does not say all. */
  @Column('text', { name: 'error_detail', nullable: true })
  errorDetail: string | null;

  /** What the model was given to read; null when nobody was asked. */
  @Column('jsonb', { nullable: true })
  context: ContextFacts | null;

  @Column('text', { name: 'feedback_rating', nullable: true })
  feedbackRating: 'up' | 'down' | null;

  @Column('text', { name: 'feedback_comment', nullable: true })
  feedbackComment: string | null;

  /** The comment of a project that encrypts it, as `sealed`. */
  @Column('bytea', { name: 'sealed_comment', nullable: true })
  sealedComment: Buffer | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'completed_at', nullable: true })
  completedAt: Date | null;
}
