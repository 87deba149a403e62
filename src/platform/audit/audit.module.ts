import { Global, Module } from '@nestjs/common';
import { AuditEventsController } from './audit-events.controller.js';
import { AuditLog } from './audit-log.js';
import { AuditRepository } from './audit.repository.js';

@Global()
@Module({
  controllers: [AuditEventsController],
  providers: [AuditLog, AuditRepository],
  exports: [AuditLog],
})
export class AuditModule {}
