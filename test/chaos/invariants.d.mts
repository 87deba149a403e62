/** Plain data of a run; what a row has depends on where it comes from. */
export type Row = Record<string, any>;

export interface World {
  messages: Row[];
  sessions: Row[];
  turns: Row[];
  chunks: Row[];
  reservations: Row[];
  entries: Row[];
  budgets: Row[];
  submits: Row[];
  journal: Row[];
  kills: Row[];
  rolls: Row[];
  outages: Row[];
  deaths: Row[];
  logFaults: Row[];
  leaks: Row[];
  hangs: Row[];
  unexpected: Row[];
  limits: Record<string, number>;
  canary: string;
}
type Check = (world: World) => object[];
export const INVARIANTS: Readonly<Record<string, Check>>;
export function checkAll(world: World): Record<string, object[]>;
export function takeovers(world: World): { submit: number; ms: number; isDisturbed: boolean }[];
export function idleTimes(world: World): { message: string; idleMs: number }[];
