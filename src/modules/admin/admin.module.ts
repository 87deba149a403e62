import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminLimitsController } from './admin-limits.controller.js';
import { AdminController } from './admin.controller.js';
import { AdminGuard } from './admin.guard.js';
import { AdminRepository } from './admin.repository.js';
import { AdminService } from './admin.service.js';

@Module({
  imports: [UsersModule, AuthModule, LimitsModule, UsageModule],
  controllers: [AdminController, AdminLimitsController],
  providers: [AdminService, AdminRepository, AdminGuard],
})
export class AdminModule {}
