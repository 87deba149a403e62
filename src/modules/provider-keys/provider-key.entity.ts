import { Check, Column, CreateDateColumn, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import type { KeyProvider } from './public/project-providers.js';

/** A project's own key for a model provider; at most one a project. */
@Entity('provider_keys')
@ForeignKey('projects', ['userId', 'projectId'], ['userId', 'id'], {
  name: 'fk_provider_keys_project_id',
  onDelete: 'CASCADE',
})
@Check('ck_provider_keys_provider', `provider in ('openai', 'openrouter', 'custom')`)
@Check('ck_provider_keys_base_url', `(provider = 'custom') = (base_url is not null)`)
export class ProviderKey {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_provider_keys' })
  userId: string;

  @PrimaryColumn('uuid', { name: 'project_id', primaryKeyConstraintName: 'pk_provider_keys' })
  projectId: string;

  /** Another one with each key that is set: part of what the ciphertext is bound to. */
  @Column('uuid')
  id: string;

  @Column('text')
  provider: KeyProvider;

  /** Of a `custom` provider; the others have theirs. */
  @Column('text', { name: 'base_url', nullable: true })
  baseUrl: string | null;

  /** In an envelope. */
  @Column('bytea', { name: 'sealed_key' })
  sealedKey: Buffer;

  /** The last four characters, where that gives little away. */
  @Column('text', { nullable: true })
  hint: string | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
