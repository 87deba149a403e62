import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The key of one user's secrets, encrypted with a master key. Deleting it erases everything that it encrypts. */
@Entity('data_keys')
export class DataKey {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_data_keys' })
  userId: string;

  @Column('bytea', { name: 'wrapped_key' })
  wrappedKey: Buffer;

  /** The version of the master key that encrypts it. */
  @Column('int', { name: 'master_version' })
  masterVersion: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
