import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { defaultConfig, loadConfig, SETTINGS_GROUPS } from '../../src/app-config.js';
import { envExample } from '../../src/platform/config/env-example.js';
import { variablesOf } from '../../src/platform/config/variable.decorator.js';

const VARIABLES = SETTINGS_GROUPS.flatMap((group) => variablesOf(group));
const FILE = new URL('../../.env.example', import.meta.url);

/** What the lines of the file say, comments aside. */
function assignments(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
}

describe('.env.example', () => {
  it('matches the classes of settings', () => {
    if (process.env.UPDATE_SNAPSHOTS === '1') writeFileSync(FILE, envExample(SETTINGS_GROUPS));
    // `npm run config:example` writes it anew.
    expect(readFileSync(FILE, 'utf8')).toBe(envExample(SETTINGS_GROUPS));
  });

  it('gives the defaults when it is copied unchanged', () => {
    const given = loadConfig({ ...assignments(envExample(SETTINGS_GROUPS)), DATA_DIR: process.env.PARLEY_TEST_DIR });
    const defaults = loadConfig({ DATA_DIR: process.env.PARLEY_TEST_DIR });
    expect(given).toEqual(defaults);
  });

  it('contains no secret and no real address', () => {
    const shown = assignments(envExample(SETTINGS_GROUPS));
    for (const { name, secret } of VARIABLES) if (secret) expect(shown).not.toHaveProperty(name);
  });
});

describe('the classes of settings', () => {
  it('declare each property as a variable, once', () => {
    const names = VARIABLES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const declared = new Set(VARIABLES.map(({ property }) => property));
    expect(Object.keys(defaultConfig()).filter((property) => !declared.has(property))).toEqual([]);
  });

  it('are all listed, so each is read and documented', () => {
    const files = readdirSync(new URL('../../src/', import.meta.url), { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => file.endsWith('.config.ts'))).toHaveLength(SETTINGS_GROUPS.length);
    expect(new Set(SETTINGS_GROUPS.map(({ title }) => title)).size).toBe(SETTINGS_GROUPS.length);
  });

  it.each(VARIABLES)('document $name in whole sentences', ({ doc, name }) => {
    expect(doc).toMatch(/^[A-Za-z].{10,}\.$/s);
    // A duration or a size without a unit is a guess.
    if (name.endsWith('_MS')) expect(doc).toMatch(/milliseconds/i);
    if (name.endsWith('_SECONDS')) expect(doc).toMatch(/seconds/i);
    if (name.endsWith('_BYTES')) expect(doc).toMatch(/bytes/i);
    if (name.endsWith('_HOURS')) expect(doc).toMatch(/hours/i);
  });

  it('refuse an invalid value and name the variable', () => {
    for (const [name, value] of [
      ['PORT', 'eight thousand'],
      ['PORT', '65536'],
      ['DOCS_ENABLED', 'perhaps'],
      ['LLM_PROVIDER', 'clippy'],
      ['DATABASE_URL', 'mysql://localhost/x'],
    ] as const) {
      expect(() => loadConfig({ [name]: value, DATA_DIR: process.env.PARLEY_TEST_DIR })).toThrow(
        new RegExp(`^${name}: `, 'm'),
      );
    }
  });
});
