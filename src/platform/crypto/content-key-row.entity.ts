import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The key of one project's conversations, encrypted by a master key. Whoever deletes it has erased what it encrypts. */
@Entity('content_keys')
export class ContentKeyRow {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_content_keys' })
  userId: string;

  @PrimaryColumn('uuid', { name: 'project_id', primaryKeyConstraintName: 'pk_content_keys' })
  projectId: string;

  @Column('bytea', { name: 'wrapped_key' })
  wrappedKey: Buffer;

  /** Which entry of MASTER_KEYS wraps it. */
  @Column('int', { name: 'master_version' })
  masterVersion: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
