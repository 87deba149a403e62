import { ApiProperty } from '@nestjs/swagger';

export class LlmModelEntry {
  @ApiProperty({ type: String, description: 'What to name as model.', example: 'gpt-4o-mini' })
  id: string;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    minimum: 0,
    description: 'Tokens that prompt and answer may have together; null when the provider does not say.',
    example: 128000,
  })
  context_window: number | null;
}

export class LlmModelPage {
  @ApiProperty({ type: [LlmModelEntry] })
  data: LlmModelEntry[];

  @ApiProperty({ type: String, nullable: true, description: 'Always null: the list is given as a whole.' })
  next_cursor: string | null;
}
