import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LimitsConfig } from './limits.config.js';
import type { Plan } from '../plan.entity.js';
import { PlansRepository } from '../plans.repository.js';

/** The limits per minute; null means no limit. */
export type MinuteLimits = Pick<Plan, 'requestsPerMinute' | 'tokensPerMinute'>;

/** A plan with its name. */
export type NamedPlan = MinuteLimits & Pick<Plan, 'name'>;

/**
 * The stored settings of a user: the plan, and limits that override the plan's. A null limit uses the plan's; a null
 * plan uses the default plan.
 */
export type UserLimits = MinuteLimits & { readonly plan: string | null };

/** The plans. All methods run in the caller's unit of work. */
@Injectable()
export class Plans implements OnApplicationBootstrap {
  constructor(
    private readonly plans: PlansRepository,
    private readonly config: LimitsConfig,
  ) {}

  /** Refuses to start with an unknown default plan, because a typing error would remove the limits of every user. */
  async onApplicationBootstrap(): Promise<void> {
    const names = await this.plans.listNames();
    if (names.includes(this.config.defaultPlan)) return;
    throw new Error(`DEFAULT_PLAN: there is no plan "${this.config.defaultPlan}", only ${names.join(', ')}`);
  }

  /** Sorted by name. */
  list(): Promise<NamedPlan[]> {
    return this.plans.list();
  }

  find(name: string): Promise<NamedPlan | null> {
    return this.plans.find(name);
  }

  /**
   * Creates or replaces a plan. A change applies to each of its users from the next turn on. Call it in the unit of
   * work of an admin.
   */
  put(plan: NamedPlan): Promise<void> {
    return this.plans.put(plan);
  }

  /** The limits that apply to a user, with the name of the plan. */
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
