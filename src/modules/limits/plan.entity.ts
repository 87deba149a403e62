import { Check, Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The limits of users per minute. Null means no limit. */
@Entity('plans')
@Check('ck_plans_name', `name ~ '^[a-z0-9][a-z0-9-]{0,39}$'`)
@Check('ck_plans_limits', 'requests_per_minute > 0 and tokens_per_minute > 0')
export class Plan {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'pk_plans' })
  name: string;

  @Column('int', { name: 'requests_per_minute', nullable: true })
  requestsPerMinute: number | null;

  @Column('int', { name: 'tokens_per_minute', nullable: true })
  tokensPerMinute: number | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;
}
