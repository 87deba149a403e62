import { Global, Module } from '@nestjs/common';
import { Revocations } from './revocations.js';
import { RevocationsJob } from './revocations.job.js';
import { RevocationsRepository } from './revocations.repository.js';

@Global()
@Module({
  providers: [RevocationsRepository, Revocations, RevocationsJob],
  exports: [Revocations],
})
export class RevocationsModule {}
