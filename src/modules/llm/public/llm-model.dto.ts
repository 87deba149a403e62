import { ApiProperty } from '@nestjs/swagger';
import { INT64 } from '../../../platform/http/api-schema.js';
import { PageResponse } from '../../../platform/http/page.dto.js';

export class LlmModelEntry {
  @ApiProperty({ type: String, description: 'The name to send as `model`.', example: 'gpt-4o-mini' })
  id: string;

  @ApiProperty({
    ...INT64,
    nullable: true,
    minimum: 0,
    description: 'How many tokens prompt and answer may have together. null: the provider does not say.',
    example: 128000,
  })
  context_window: number | null;
}

export class LlmModelPage extends PageResponse {
  @ApiProperty({ type: [LlmModelEntry], description: 'All models. There is never a next page.' })
  data: LlmModelEntry[];
}
