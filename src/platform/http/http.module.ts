import { Global, Module } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Cursors } from './cursors.js';
import { ErrorsPageController } from './errors-page.controller.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';
import { SseStreams } from './sse.js';

@Global()
@Module({
  controllers: [ErrorsPageController],
  providers: [Clock, Cursors, ProblemFilter, RouteTable, SseStreams],
  exports: [Clock, Cursors, ProblemFilter, RouteTable, SseStreams],
})
export class HttpModule {}
