/** The row of a statement that always returns exactly one. Throws if it returned none, which is a bug. */
export function onlyRow<Row extends object>([row]: readonly Row[]): Row {
  if (row === undefined) throw new Error('a statement returned no row');
  return row;
}
