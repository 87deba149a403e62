import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Changes one built file. Throws when a change finds nothing to replace. */
export function patch(file, from, to) {
  return (program) => {
    const path = join(program, 'dist/src', file);
    const before = readFileSync(path, 'utf8');
    const after = typeof from === 'string' ? before.replaceAll(from, to) : before.replace(from, to);
    if (after === before) throw new Error(`nothing in ${file} matches ${from}`);
    writeFileSync(path, after);
  };
}
