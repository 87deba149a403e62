import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LimitsConfig } from './limits.config.js';
import type { Plan } from '../plan.entity.js';
import { PlansRepository } from '../plans.repository.js';

/** What is allowed in a minute; null is no limit. */
export type MinuteLimits = Pick<Plan, 'requestsPerMinute' | 'tokensPerMinute'>;

/** A plan by its name. */
export type NamedPlan = MinuteLimits & Pick<Plan, 'name'>;

/** What is written down for a user: the plan, and what replaces its limits. Null leaves it to what comes after. */
export type UserLimits = MinuteLimits & { readonly plan: string | null };

/** Which plans there are. All verbs run in the caller's unit of work. */
@Injectable()
export class Plans implements OnApplicationBootstrap {
  constructor(
    private readonly plans: PlansRepository,
    private readonly config: LimitsConfig,
  ) {}

  /** A name that is spelled wrong must not turn out as no limit for anybody. */
  async onApplicationBootstrap(): Promise<void> {
    const names = await this.plans.listNames();
    if (names.includes(this.config.defaultPlan)) return;
    throw new Error(`DEFAULT_PLAN: there is no plan "${this.config.defaultPlan}", only ${names.join(', ')}`);
  }

  /** By name. */
  list(): Promise<NamedPlan[]> {
    return this.plans.list();
  }

  find(name: string): Promise<NamedPlan | null> {
    return this.plans.find(name);
  }

  /** Makes a plan, or changes it for all who have it, from their next turn on. In the unit of work of an admin. */
  put(plan: NamedPlan): Promise<void> {
    return this.plans.put(plan);
  }

  /** What holds for a user in the end, and by which plan. */
  async inForce({ plan, requestsPerMinute, tokensPerMinute }: UserLimits): Promise<NamedPlan> {
    const name = plan ?? this.config.defaultPlan;
    const found = await this.plans.find(name);
    return {
      name,
      requestsPerMinute: requestsPerMinute ?? found?.requestsPerMinute ?? null,
      tokensPerMinute: tokensPerMinute ?? found?.tokensPerMinute ?? null,
    };
  }
}
