import { Global, Module } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Cursors } from './cursors.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';

@Global()
@Module({
  providers: [Clock, Cursors, ProblemFilter, RouteTable],
  exports: [Clock, Cursors, ProblemFilter, RouteTable],
})
export class HttpModule {}
