import { ApiProperty } from '@nestjs/swagger';
import { PROVIDER_NAMES, type ProviderName } from '../../kernel/provider-name.js';

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

export class LlmHealth {
  @ApiProperty({ enum: PROVIDER_NAMES, description: 'The provider that answers by default.' })
  provider: ProviderName;

  @ApiProperty({ type: String, description: 'The model used when nobody names one.', example: 'gpt-4o-mini' })
  model: string;

  @ApiProperty({ type: Boolean, description: 'Whether the provider can be reached and accepts our key, right now.' })
  ok: boolean;

  @ApiProperty({ type: String, nullable: true, description: 'Why not, in one line; null when it is.' })
  reason: string | null;
}
