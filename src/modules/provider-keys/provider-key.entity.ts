import { Check, Column, CreateDateColumn, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import type { KeyProvider } from './public/project-providers.js';

/** A project's own key for a model provider; at most one per project. */
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

  /** New for each key that is set. The encryption is bound to it. */
  @Column('uuid')
  id: string;

  @Column('text')
  provider: KeyProvider;

  /** The address of a `custom` provider; null for the others, which have fixed addresses. */
  @Column('text', { name: 'base_url', nullable: true })
  baseUrl: string | null;

  /** The key, encrypted by `Envelope`. */
  @Column('bytea', { name: 'sealed_key' })
  sealedKey: Buffer;

  /** The last four characters, if the key is long enough that this is safe. */
  @Column('text', { nullable: true })
  hint: string | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
