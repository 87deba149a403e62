import { Controller, Get, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { AccountExport } from './account-export.js';

const JSON_LINES = 'application/x-ndjson';

@ApiTags('Users')
@Controller()
export class PrivacyController {
  constructor(private readonly exports: AccountExport) {}

  @Get('users/me/export')
  @ApiOperation({
    operationId: 'exportMe',
    summary: 'Everything of the account, as JSON lines',
    description:
      'The first line is `{parley_export, user_id, exported_at, tables}`, then one `{table, row}` for each row, and the last line is `{end, counts}`: an archive without it was cut.',
  })
  @ApiOkResponse({ content: { [JSON_LINES]: { schema: { type: 'object' } } } })
  @ApiProblems('unauthenticated', 'export_in_progress', 'overloaded')
  async exportMe(@CurrentActor() actor: Actor): Promise<StreamableFile> {
    const archive = await this.exports.open(actor);
    return new StreamableFile(archive, { type: JSON_LINES, disposition: 'attachment; filename="parley-export.jsonl"' });
  }
}
