import { Check, Column, CreateDateColumn, Entity, ForeignKey, PrimaryColumn } from 'typeorm';

/** What a user shows beside the password: codes of an authenticator app, and recovery codes for when it is lost. */
@Entity('second_factors')
@ForeignKey('users', ['userId'], ['id'], { name: 'fk_second_factors_user_id', onDelete: 'CASCADE' })
@Check('ck_second_factors_recovery_hashes', `confirmed_at is not null or recovery_hashes = '{}'`)
export class SecondFactor {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_second_factors' })
  userId: string;

  /** Shared with the app, in base32, encrypted by `Envelope`. */
  @Column('bytea')
  secret: Buffer;

  /** The newest time step of which a code was used; none of it or before it is taken again. */
  @Column('int', { name: 'last_step', default: 0 })
  lastStep: number;

  /** Of the recovery codes that are left. */
  @Column('bytea', { name: 'recovery_hashes', array: true, default: () => `'{}'` })
  recoveryHashes: Buffer[];

  /** Null while it is only an offer, which no sign-in asks for. */
  @Column('timestamptz', { name: 'confirmed_at', nullable: true })
  confirmedAt: Date | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
