import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** One signed-in device: the family of its refresh tokens. */
@Entity('sign_ins')
@ForeignKey('users', ['userId'], ['id'], { name: 'fk_sign_ins_user_id', onDelete: 'CASCADE' })
// An index on an expression, which TypeORM cannot declare.
@Index('ix_sign_ins_ended_at', { synchronize: false })
@Check('ck_sign_ins_generation', 'generation > 0')
export class SignIn {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_sign_ins' })
  userId: string;

  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pk_sign_ins' })
  id: string;

  /** Random input to every refresh token of the family; useless without the server's key. */
  @Column('bytea')
  seed: Buffer;

  /** Counts refreshes, from 1. Only the token of this generation is valid. */
  @Column('int', { default: 1 })
  generation: number;

  @Column('text', { name: 'user_agent', nullable: true })
  userAgent: string | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'last_used_at', default: () => 'now()' })
  lastUsedAt: Date;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt: Date | null;
}
