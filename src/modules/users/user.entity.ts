import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { DataKey } from '../../platform/crypto/data-key.entity.js';

// The platform stores the data key of a user but does not know this table, so the foreign key is declared here.
ForeignKey('users', ['userId'], ['id'], { name: 'fk_data_keys_user_id', onDelete: 'CASCADE' })(DataKey);

@Entity('users')
@Unique('uq_users_email', ['email'])
@Check('ck_users_email', 'email = lower(email) and length(email) between 3 and 254')
@Check('ck_users_display_name', 'length(display_name) between 1 and 200')
@Check('ck_users_limits', 'requests_per_minute > 0 and tokens_per_minute > 0')
@ForeignKey('plans', ['plan'], ['name'], { name: 'fk_users_plan' })
@Check('ck_users_role', `role in ('user', 'admin')`)
// An index with text_pattern_ops, which TypeORM cannot declare.
@Index('ix_users_email_prefix', { synchronize: false })
export class User {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pk_users' })
  id: string;

  @Column('text')
  email: string;

  @Column('text', { name: 'password_hash' })
  passwordHash: string;

  @Column('text', { name: 'display_name', nullable: true })
  displayName: string | null;

  @Column('text', { default: 'user' })
  role: 'user' | 'admin';

  /** The time when the account was disabled; null: it is enabled. */
  @Column('timestamptz', { name: 'disabled_at', nullable: true })
  disabledAt: Date | null;

  /** Null until the address is verified. */
  @Column('timestamptz', { name: 'email_verified_at', nullable: true })
  emailVerifiedAt: Date | null;

  /** The plan with the limits per minute; null: the server's default plan. */
  @Column('text', { nullable: true })
  plan: string | null;

  /** Turns per minute; overrides the plan's limit. */
  @Column('int', { name: 'requests_per_minute', nullable: true })
  requestsPerMinute: number | null;

  /** Model tokens per minute; overrides the plan's limit. */
  @Column('int', { name: 'tokens_per_minute', nullable: true })
  tokensPerMinute: number | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
