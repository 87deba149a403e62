import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { ProviderName } from '../../kernel/provider-name.js';
import { ContentKeyRow } from '../../platform/crypto/content-key-row.entity.js';
import type { Fallback } from './public/fallback.dto.js';
import type { ModelParams } from './public/model-params.dto.js';
import type { ConflictPolicy, ContextOverflow, CrashPolicy } from './public/turn-policy.js';

// The platform stores the content key of a project but does not know this table, so the foreign key is declared here.
ForeignKey('projects', ['userId', 'projectId'], ['userId', 'id'], {
  name: 'fk_content_keys_project_id',
  onDelete: 'CASCADE',
})(ContentKeyRow);

@Entity('projects')
@ForeignKey('users', ['userId'], ['id'], { name: 'fk_projects_user_id', onDelete: 'CASCADE' })
@Check('ck_projects_name', 'length(name) between 1 and 200')
@Check('ck_projects_provider', `provider in ('openai', 'openrouter', 'offline')`)
@Check(
  'ck_projects_fallbacks',
  `case jsonb_typeof(fallbacks) when 'array' then jsonb_array_length(fallbacks) <= 5 else false end`,
)
@Check('ck_projects_on_conflict', `on_conflict in ('reject', 'queue', 'interrupt')`)
@Check('ck_projects_limits', 'requests_per_minute > 0 and tokens_per_minute > 0')
@Check('ck_projects_on_crash', `on_crash in ('retry', 'keep')`)
@Check('ck_projects_retention_days', 'retention_days between 1 and 3650')
@Index('ix_projects_retention_days', ['userId', 'id'], { where: 'retention_days is not null' })
@Check('ck_projects_context_overflow', `context_overflow in ('drop', 'summarise')`)
export class Project {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_projects' })
  userId: string;

  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pk_projects' })
  id: string;

  @Column('text')
  name: string;

  @Column('text', { nullable: true })
  description: string | null;

  /** Null uses the server's default provider. */
  @Column('text', { nullable: true })
  provider: ProviderName | null;

  /** Null uses the provider's default model. */
  @Column('text', { nullable: true })
  model: string | null;

  /** The fallbacks, called in order when the provider cannot answer. */
  @Column('jsonb', { default: [] })
  fallbacks: Fallback[];

  @Column('jsonb', { default: {} })
  params: ModelParams;

  /** How a message is handled that arrives while an answer is being written. */
  @Column('text', { name: 'on_conflict', default: 'reject' })
  onConflict: ConflictPolicy;

  /** How an answer is handled whose instance died: request it again, or keep the text so far. */
  @Column('text', { name: 'on_crash', default: 'retry' })
  onCrash: CrashPolicy;

  /** Days without activity after which a session is deleted; null: never. */
  @Column('int', { name: 'retention_days', nullable: true })
  retentionDays: number | null;

  /** Turns per minute; null: only the limits of the user apply. */
  @Column('int', { name: 'requests_per_minute', nullable: true })
  requestsPerMinute: number | null;

  /** Model tokens per minute; null as above. */
  @Column('int', { name: 'tokens_per_minute', nullable: true })
  tokensPerMinute: number | null;

  /** Whether content is stored encrypted with the project's own key. Set at creation and never changed. */
  @Column('boolean', { name: 'is_content_encrypted', default: false })
  isContentEncrypted: boolean;

  /** How history that does not fit is handled: left out, or summarised by a model. */
  @Column('text', { name: 'context_overflow', default: 'drop' })
  contextOverflow: ContextOverflow;

  /** Counts changes. Used as the entity tag. */
  @Column('int', { default: 1 })
  version: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt: Date;
}
