import { Module } from '@nestjs/common';
import { BudgetsController } from './budgets.controller.js';
import { BudgetsRepository } from './budgets.repository.js';
import { BudgetsService } from './budgets.service.js';
import { EntriesRepository } from './entries.repository.js';
import { PricesRepository } from './prices.repository.js';
import { Budgets } from './public/budgets.js';
import { EstimatedUsage } from './public/estimated-usage.js';
import { PriceList } from './public/price-list.js';
import { SideBudgets } from './public/side-budgets.js';
import { UsageRecorder } from './public/usage-recorder.js';
import { UsageController } from './usage.controller.js';
import { UsageRepository } from './usage.repository.js';
import { UsageService } from './usage.service.js';

/** Prices, usage and budgets. */
@Module({
  controllers: [UsageController, BudgetsController],
  providers: [
    UsageService,
    UsageRepository,
    BudgetsService,
    BudgetsRepository,
    PricesRepository,
    PriceList,
    EntriesRepository,
    UsageRecorder,
    EstimatedUsage,
    Budgets,
    SideBudgets,
  ],
  exports: [UsageRecorder, EstimatedUsage, Budgets, SideBudgets],
})
export class UsageModule {}
