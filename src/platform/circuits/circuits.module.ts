import { Global, Module } from '@nestjs/common';
import { Sweeps } from '../jobs/sweeps.js';
import { Circuits } from './circuits.js';
import { CircuitsJob } from './circuits.job.js';
import { CircuitsRepository } from './circuits.repository.js';

const SWEEP_MS = 3_600_000;

@Global()
@Module({ providers: [Circuits, CircuitsRepository, CircuitsJob], exports: [Circuits] })
export class CircuitsModule {
  constructor(sweeps: Sweeps, circuits: CircuitsRepository) {
    sweeps.every(SWEEP_MS, 'Old circuits were not removed', () => circuits.sweep());
  }
}
