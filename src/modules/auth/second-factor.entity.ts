import { Check, Column, CreateDateColumn, Entity, ForeignKey, PrimaryColumn } from 'typeorm';

/** A user's second factor: an authenticator app, and recovery codes in case the app is lost. */
@Entity('second_factors')
@ForeignKey('users', ['userId'], ['id'], { name: 'fk_second_factors_user_id', onDelete: 'CASCADE' })
@Check('ck_second_factors_recovery_hashes', `confirmed_at is not null or recovery_hashes = '{}'`)
export class SecondFactor {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_second_factors' })
  userId: string;

  /** The secret shared with the app, in base32, encrypted by `Envelope`. */
  @Column('bytea')
  secret: Buffer;

  /** The newest time step with a used code. Codes of this step and of earlier ones are refused. */
  @Column('int', { name: 'last_step', default: 0 })
  lastStep: number;

  /** Hashes of the recovery codes that are left. */
  @Column('bytea', { name: 'recovery_hashes', array: true, default: () => `'{}'` })
  recoveryHashes: Buffer[];

  /** Null until the user confirms the factor; before that, no sign-in requires it. */
  @Column('timestamptz', { name: 'confirmed_at', nullable: true })
  confirmedAt: Date | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
