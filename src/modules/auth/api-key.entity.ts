import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import type { Scope } from '../../kernel/actor.js';

/** What a program signs in with. */
@Entity('api_keys')
@ForeignKey('users', ['userId'], ['id'], { name: 'fk_api_keys_user_id', onDelete: 'CASCADE' })
@ForeignKey('projects', ['userId', 'projectId'], ['userId', 'id'], {
  name: 'fk_api_keys_project_id',
  onDelete: 'CASCADE',
})
@Unique('uq_api_keys_key_hash', ['keyHash'])
@Index('ix_api_keys_project_id', ['userId', 'projectId'])
@Check('ck_api_keys_limits', 'requests_per_minute > 0 and tokens_per_minute > 0')
@Check('ck_api_keys_name', 'length(name) between 1 and 200')
export class ApiKey {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_api_keys' })
  userId: string;

  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pk_api_keys' })
  id: string;

  @Column('text')
  name: string;

  /** The beginning of the key, for a person to recognise it by. */
  @Column('text')
  prefix: string;

  /** SHA-256 of the key; the key itself is nowhere. */
  @Column('bytea', { name: 'key_hash' })
  keyHash: Buffer;

  @Column('text', { array: true })
  scopes: Scope[];

  /** The one project that the key sees; null: all of the user's. */
  @Column('uuid', { name: 'project_id', nullable: true })
  projectId: string | null;

  /** Turns in a minute; null: the limits of the user are all there is. */
  @Column('int', { name: 'requests_per_minute', nullable: true })
  requestsPerMinute: number | null;

  /** Tokens of models in a minute, likewise. */
  @Column('int', { name: 'tokens_per_minute', nullable: true })
  tokensPerMinute: number | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'last_used_at', nullable: true })
  lastUsedAt: Date | null;

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt: Date | null;
}
