/** The periods of a budget, in UTC. */
export const PERIODS = ['day', 'month'] as const;
export type Period = (typeof PERIODS)[number];

/** The state of a budget in one period; amounts in millionths of a US dollar. */
export interface PeriodState {
  /** The owner's limit; null: none. */
  readonly limit: number | null;
  /** The admin's cap; null: none. */
  readonly cap: number | null;
  readonly spent: number;
  readonly renewsAt: Date;
}

/** The current state of a budget. Without limits nothing is counted, so the amount spent comes from the ledger. */
export interface BudgetState {
  readonly day: PeriodState;
  readonly month: PeriodState;
  /** The worst-case cost of turns that run or wait. */
  readonly reserved: number;
}

/** Limits by period; null means no limit. */
export type Limits = Readonly<Record<Period, number | null>>;
