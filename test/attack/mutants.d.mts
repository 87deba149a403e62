/** For each attack the server without what it is refused by: `program` changes a copy of the built server, by its folder. */
export const MUTANTS: Record<string, { without: string; program: (program: string) => void; database?: string }>;
