import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The key of one user's secrets, encrypted by a master key. Whoever deletes it has erased what it encrypts. */
@Entity('data_keys')
export class DataKey {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_data_keys' })
  userId: string;

  @Column('bytea', { name: 'wrapped_key' })
  wrappedKey: Buffer;

  /** Which entry of MASTER_KEYS wraps it. */
  @Column('int', { name: 'master_version' })
  masterVersion: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
