import { ApiProperty, ApiSchema } from '@nestjs/swagger';

export class AuditEventActor {
  @ApiProperty({ enum: ['user', 'api_key', 'admin', 'system', 'anonymous'] })
  type: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The sign-in or the API key. null for the others: which admin it was is not shown.',
  })
  id: string | null;
}

/** An event of the audit log as the API shows it. */
@ApiSchema({ name: 'AuditEvent' })
export class AuditEventResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Its place in the log, from 1, without a gap.' })
  seq: number;

  @ApiProperty({ example: 'project.deleted', description: 'What happened. More actions may come.' })
  action: string;

  @ApiProperty({ description: 'Who did it.' })
  actor: AuditEventActor;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'What it was done to, by the action.' })
  subject_id: string | null;

  @ApiProperty({ type: 'object', additionalProperties: true, example: { fields: ['name'] } })
  facts: Readonly<Record<string, unknown>>;

  @ApiProperty({
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    description:
      'SHA-256 over the event and the hash before it. Keep the newest one, and a log that was rewritten shows.',
  })
  hash: string;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}

export class AuditEventPage {
  @ApiProperty({ type: [AuditEventResponse] })
  data: AuditEventResponse[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;
}
