import { Check, Column, CreateDateColumn, Entity, ForeignKey, PrimaryColumn, Unique } from 'typeorm';

@Entity('prompts')
@ForeignKey('projects', ['userId', 'projectId'], ['userId', 'id'], {
  name: 'fk_prompts_project_id',
  onDelete: 'CASCADE',
})
@Unique('uq_prompts_position', ['userId', 'projectId', 'position'], { deferrable: 'INITIALLY DEFERRED' })
@Check('ck_prompts_position', 'position >= 0')
@Check('ck_prompts_content', 'length(content) > 0')
export class Prompt {
  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'pk_prompts' })
  userId: string;

  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pk_prompts' })
  id: string;

  @Column('uuid', { name: 'project_id' })
  projectId: string;

  @Column('text', { nullable: true })
  name: string | null;

  @Column('text')
  content: string;

  /** Counted once, when the content is written, so a turn only adds the numbers. */
  @Column('int', { name: 'content_tokens' })
  contentTokens: number;

  /** Position among the project's prompts, from 0, without gaps after a reordering. */
  @Column('int')
  position: number;

  /** Counts changes. Used as the entity tag. */
  @Column('int', { default: 1 })
  version: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at', default: () => 'now()' })
  updatedAt: Date;
}
