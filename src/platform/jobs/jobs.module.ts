import { Global, Module } from '@nestjs/common';
import { NightlyJobs } from './nightly-jobs.js';
import { Sweeps } from './sweeps.js';

@Global()
@Module({ providers: [NightlyJobs, Sweeps], exports: [NightlyJobs, Sweeps] })
export class JobsModule {}
