export const ATTACKS: Record<string, (given: object) => Promise<void>>;
