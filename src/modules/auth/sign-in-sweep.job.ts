import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SignInsRepository } from './sign-ins.repository.js';

const SWEEP_MS = 3_600_000;
/** Long enough to ask who was signed in when something was found out; the log of events remembers for longer. */
const KEEP_DAYS = 30;

/** Forgets sign-ins that have ended long ago. When it fails, the next hour does it. */
@Injectable()
export class SignInSweepJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(SignInSweepJob.name);
  private timer: NodeJS.Timeout;

  constructor(private readonly signIns: SignInsRepository) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), SWEEP_MS * (0.75 + Math.random() / 4));
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async sweep(): Promise<void> {
    try {
      await this.signIns.sweep(KEEP_DAYS);
    } catch (error) {
      this.log.warn({ err: error }, 'Old sign-ins were not removed');
    }
  }
}
