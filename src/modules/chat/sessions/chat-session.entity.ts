import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

@Entity('chat_sessions')
@ForeignKey('projects', ['userId', 'projectId'], ['userId', 'id'], {
  name: 'fk_chat_sessions_project_id',
  onDelete: 'CASCADE',
})
@Index('ix_chat_sessions_activity', ['userId', 'projectId', 'lastActiveAt', 'id'])
@Check('ck_chat_sessions_title', 'length(title) between 1 and 200')
export class ChatSession {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_chat_sessions' })
  userId: string;

  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pk_chat_sessions' })
  id: string;

  @Column('uuid', { name: 'project_id' })
  projectId: string;

  @Column('text', { nullable: true })
  title: string | null;

  /** Whether the user gave the title. A generated title may still change. */
  @Column('boolean', { name: 'is_title_given', default: false })
  isTitleGiven: boolean;

  /** Free-form data of the client. */
  @Column('jsonb', { default: {} })
  metadata: Record<string, unknown>;

  @Column('timestamptz', { name: 'archived_at', nullable: true })
  archivedAt: Date | null;

  @Column('timestamptz', { name: 'pinned_at', nullable: true })
  pinnedAt: Date | null;

  /** Sequence number of the newest message. The lock of this row orders concurrent turns. */
  @Column('int', { name: 'last_seq', default: 0 })
  lastSeq: number;

  /** The newest message; the parent of the next one when the client names none. */
  @Column('uuid', { name: 'last_message_id', nullable: true })
  lastMessageId: string | null;

  /** Whether any message has a sibling. If not, the path to a message is simply all messages before it. */
  @Column('boolean', { name: 'is_branched', default: false })
  isBranched: boolean;

  @Column({ type: 'timestamptz', name: 'last_active_at', precision: 3, default: () => 'now()' })
  lastActiveAt: Date;

  /** Counts changes by the user, but not turns. Used as the entity tag. */
  @Column('int', { default: 1 })
  version: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
