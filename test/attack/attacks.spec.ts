import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ATTACKS } from './attacks.mjs';
import { MUTANTS } from './mutants.mjs';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));

/** That each is noticed is tried by `npm run attack -- --break all`; this keeps the list from going out of date. */
describe('the attacks', () => {
  it('each have a deliberately broken server', () => {
    expect(Object.keys(MUTANTS).sort()).toEqual(Object.keys(ATTACKS).sort());
  });

  it.each(Object.entries(MUTANTS))(
    '%s is run against a server that really lacks a defence',
    (_name, { program, without }) => {
      const copy = mkdtempSync(join(tmpdir(), 'mutant-'));
      try {
        cpSync(DIST, join(copy, 'dist'), { recursive: true });
        expect(() => program(copy)).not.toThrow();
      } finally {
        rmSync(copy, { recursive: true });
      }
      expect(without).not.toBe('');
    },
  );
});
