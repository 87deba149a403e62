import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The key of one project's conversations, encrypted with a master key. Deleting it erases everything that it encrypts. */
@Entity('content_keys')
export class ContentKeyRow {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_content_keys' })
  userId: string;

  @PrimaryColumn('uuid', { name: 'project_id', primaryKeyConstraintName: 'pk_content_keys' })
  projectId: string;

  @Column('bytea', { name: 'wrapped_key' })
  wrappedKey: Buffer;

  /** The version of the master key that encrypts it. */
  @Column('int', { name: 'master_version' })
  masterVersion: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
