/** Each breaks one promise: `program` and `also` change a copy of the built server, by the folder it lies in. */
export const MUTANTS: Record<
  string,
  { program?: (program: string) => void; also?: (program: string) => void; red: string[] }
>;
