/** Simple statistics and their output. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function median(values) {
  const sorted = values.filter((value) => value != null).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

export const fixed = (value, digits) => (value == null ? 'n/a' : value.toFixed(digits));

/** The median of the rounds, and in brackets the lowest and the highest. */
export function spread(values, digits) {
  const known = values.filter((value) => value != null);
  if (known.length === 0) return 'n/a';
  return `${fixed(median(known), digits)} (${fixed(Math.min(...known), digits)}–${fixed(Math.max(...known), digits)})`;
}

/** Prints a table. The first column is aligned left, the others right. */
export function table(header, rows) {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column].length)));
  const line = (row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ') + '\n';
  return line(header) + line(widths.map((width) => '-'.repeat(width))) + rows.map(line).join('');
}
