/** The row of a statement that always gives exactly one. Throws when it gave none, which is a fault of ours. */
export function onlyRow<Row extends object>([row]: readonly Row[]): Row {
  if (row === undefined) throw new Error('a statement gave no row');
  return row;
}
