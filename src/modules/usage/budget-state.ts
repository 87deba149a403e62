/** The periods of a budget; both begin in UTC. */
export const PERIODS = ['day', 'month'] as const;
export type Period = (typeof PERIODS)[number];

/** What of a period's budget is used; amounts in millionths of a US dollar. */
export interface PeriodState {
  /** Null: its owner sets none. */
  readonly limit: number | null;
  /** What admins allow at most; null: as much as the owner likes. */
  readonly cap: number | null;
  readonly spent: number;
  readonly renewsAt: Date;
}

/** A budget as it is now. Without limits nothing is counted, so what is spent is what the ledger says. */
export interface BudgetState {
  readonly day: PeriodState;
  readonly month: PeriodState;
  /** The worst case of the turns that run or wait. */
  readonly reserved: number;
}

/** Limits by period; null is none. */
export type Limits = Readonly<Record<Period, number | null>>;
