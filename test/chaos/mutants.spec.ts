import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INVARIANTS } from './invariants.mjs';
import { MUTANTS } from './mutants.mjs';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));

/** That each is seen red is tried by `npm run chaos -- --break <name>`; this keeps the list from going out of date. */
describe('the mutants of the chaos run', () => {
  it.each(Object.entries(MUTANTS))(
    '%s changes existing code, and names the invariant that must notice',
    (_name, mutant) => {
      const program = mkdtempSync(join(tmpdir(), 'mutant-'));
      try {
        cpSync(DIST, join(program, 'dist'), { recursive: true });
        expect(() => {
          mutant.program?.(program);
          mutant.also?.(program);
        }).not.toThrow();
      } finally {
        rmSync(program, { recursive: true });
      }
      expect(Object.keys(INVARIANTS)).toEqual(expect.arrayContaining(mutant.red));
      expect(mutant.red).not.toEqual([]);
    },
  );
});
