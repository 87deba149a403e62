import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import type { Scope } from '../../kernel/actor.js';

/** A key with which a program calls the API. */
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

  /** The first characters of the key, by which a person recognises it. */
  @Column('text')
  prefix: string;

  /** SHA-256 of the key; the key itself is not stored. */
  @Column('bytea', { name: 'key_hash' })
  keyHash: Buffer;

  @Column('text', { array: true })
  scopes: Scope[];

  /** The one project that the key can access; null: all projects of the user. */
  @Column('uuid', { name: 'project_id', nullable: true })
  projectId: string | null;

  /** Turns per minute; null: only the limits of the user apply. */
  @Column('int', { name: 'requests_per_minute', nullable: true })
  requestsPerMinute: number | null;

  /** Model tokens per minute; null as above. */
  @Column('int', { name: 'tokens_per_minute', nullable: true })
  tokensPerMinute: number | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'last_used_at', nullable: true })
  lastUsedAt: Date | null;

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt: Date | null;
}
