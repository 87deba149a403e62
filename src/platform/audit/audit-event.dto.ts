import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { INT64 } from '../http/api-schema.js';
import { PageResponse } from '../http/page.dto.js';

export class AuditEventActor {
  @ApiProperty({ enum: ['user', 'api_key', 'admin', 'system', 'anonymous'], enumName: 'AuditActorType' })
  type: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      'The sign-in of a user, or the API key. null for all others: the log does not show which admin it was.',
  })
  id: string | null;
}

/** An event of the audit log as the API shows it. */
@ApiSchema({ name: 'AuditEvent' })
export class AuditEventResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ ...INT64, minimum: 1, description: 'The number of the event in the log, from 1, without gaps.' })
  seq: number;

  @ApiProperty({ example: 'project.deleted', description: 'What happened. More actions may be added.' })
  action: string;

  @ApiProperty({ description: 'The person or program that did it.' })
  actor: AuditEventActor;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The thing that the action changed.' })
  subject_id: string | null;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { fields: ['name'] },
    description: 'Details, by the action. Never any content.',
  })
  facts: Readonly<Record<string, unknown>>;

  @ApiProperty({
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    description:
      'SHA-256 of the event and the hash before it. Keep the newest hash to detect later whether the log was rewritten.',
  })
  hash: string;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}

export class AuditEventPage extends PageResponse {
  @ApiProperty({ type: [AuditEventResponse] })
  data: AuditEventResponse[];
}
