import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { ProjectsModule } from '../projects/projects.module.js';
import { AccountExport } from './account-export.js';
import { ErasureReceipts } from './erasure-receipts.js';
import { ErasureRepository } from './erasure.repository.js';
import { ErasureService } from './erasure.service.js';
import { PrivacyController } from './privacy.controller.js';
import { Retention } from './public/retention.js';
import { RetentionJob } from './retention.job.js';
import { RetentionRepository } from './retention.repository.js';

/** Export, erasure and retention of users' data. */
@Module({
  imports: [AuthModule, ProjectsModule],
  controllers: [PrivacyController],
  providers: [
    ...[AccountExport, ErasureService, ErasureRepository, ErasureReceipts],
    ...[Retention, RetentionJob, RetentionRepository],
  ],
})
export class PrivacyModule {}
