import { Module } from '@nestjs/common';
import { ProjectsModule } from '../projects/projects.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountExport } from './account-export.js';
import { ReceiptSeal } from './erasure-receipt.js';
import { ErasureRepository } from './erasure.repository.js';
import { ErasureService } from './erasure.service.js';
import { PrivacyController } from './privacy.controller.js';

/** What a person may ask for about her data: to have it, and to have it gone. */
@Module({
  imports: [UsersModule, ProjectsModule],
  controllers: [PrivacyController],
  providers: [AccountExport, ErasureService, ErasureRepository, ReceiptSeal],
})
export class PrivacyModule {}
