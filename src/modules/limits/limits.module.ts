import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Sweeps } from '../../platform/jobs/sweeps.js';
import { PlansRepository } from './plans.repository.js';
import { Plans } from './public/plans.js';
import { TurnBucketsRepository } from './turn-buckets.repository.js';
import { Plan } from './plan.entity.js';

const SWEEP_MS = 600_000;

@Module({
  imports: [TypeOrmModule.forFeature([Plan])],
  providers: [PlansRepository, TurnBucketsRepository, Plans],
  exports: [Plans],
})
export class LimitsModule {
  constructor(sweeps: Sweeps, buckets: TurnBucketsRepository) {
    sweeps.every(SWEEP_MS, 'Full buckets of turns were not removed', () => buckets.sweep());
  }
}
