import { Module } from '@nestjs/common';
import { AccountExport } from './account-export.js';
import { PrivacyController } from './privacy.controller.js';

/** What a person may ask for about her data: to have it, and to have it gone. */
@Module({
  controllers: [PrivacyController],
  providers: [AccountExport],
})
export class PrivacyModule {}
