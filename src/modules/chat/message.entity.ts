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

/** The input of a model call. The first three numbers add up to the path including the question. */
export interface ContextFacts {
  /** Messages sent word for word, including the question but not the prompts. */
  readonly messagesSent: number;
  /** Messages replaced by a summary. */
  readonly summarised: number;
  /** Messages left out. A failed answer has no text, so it does not count if it was read. */
  readonly dropped: number;
  /** Our own count. The provider's count may differ because of its chat template. */
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

  /** The number of messages on the path from the beginning of the session to this one; null in old rows. */
  @Column('int', { name: 'path_length', nullable: true })
  pathLength: number | null;

  @Column('int')
  seq: number;

  @Column('text')
  role: 'user' | 'assistant';

  @Column('text')
  content: string;

  /** The parts of a message with images; `content` then holds only its text. */
  @Column('jsonb', { nullable: true })
  parts: ContentPart[] | null;

  /**
   * The encrypted content and parts, in a project that encrypts them; both columns are empty then. Null after
   * decryption.
   */
  @Column('bytea', { nullable: true })
  sealed: Buffer | null;

  @Column('int', { name: 'content_tokens', nullable: true })
  contentTokens: number | null;

  @Column('text')
  status: MessageStatus;

  /** How often the answer was started; more than 1 after a takeover. */
  @Column('int', { default: 1 })
  attempt: number;

  @Column('text', { name: 'finish_reason', nullable: true })
  finishReason: FinishReason | null;

  @Column('text', { nullable: true })
  provider: AnswererName | null;

  @Column('text', { nullable: true })
  model: string | null;

  /** The provider's id of the generation. */
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

  /** More detail about the error than its title, written by this server. */
  @Column('text', { name: 'error_detail', nullable: true })
  errorDetail: string | null;

  /** The input of the model; null when no model was called. */
  @Column('jsonb', { nullable: true })
  context: ContextFacts | null;

  @Column('text', { name: 'feedback_rating', nullable: true })
  feedbackRating: 'up' | 'down' | null;

  @Column('text', { name: 'feedback_comment', nullable: true })
  feedbackComment: string | null;

  /** The encrypted comment, like `sealed`. */
  @Column('bytea', { name: 'sealed_comment', nullable: true })
  sealedComment: Buffer | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'completed_at', nullable: true })
  completedAt: Date | null;
}
