import { readFileSync, writeFileSync } from 'node:fs';
import { AppConfig } from '../../src/platform/config/app-config.js';
import { envExample } from '../../src/platform/config/env-example.js';
import { loadConfig } from '../../src/platform/config/load-config.js';
import { variableDefinitions } from '../../src/platform/config/variable.decorator.js';

const FILE = new URL('../../.env.example', import.meta.url);

/** What the lines of the file say, comments aside. */
function assignments(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
}

describe('.env.example', () => {
  it('is what the config class says', () => {
    if (process.env.UPDATE_SNAPSHOTS === '1') writeFileSync(FILE, envExample());
    // `npm run config:example` writes it anew.
    expect(readFileSync(FILE, 'utf8')).toBe(envExample());
  });

  it('copied as it is gives the defaults', () => {
    const given = loadConfig({ ...assignments(envExample()), DATA_DIR: process.env.PARLEY_TEST_DIR });
    const defaults = loadConfig({ DATA_DIR: process.env.PARLEY_TEST_DIR });
    expect(given).toEqual(defaults);
  });

  it('shows no secret and nobody’s address', () => {
    const shown = assignments(envExample());
    for (const { name, secret } of variableDefinitions()) if (secret) expect(shown).not.toHaveProperty(name);
  });
});

describe('the config class', () => {
  it('declares each of its properties as a variable, once', () => {
    const names = variableDefinitions().map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const declared = new Set(variableDefinitions().map(({ property }) => property));
    expect(Object.keys(new AppConfig()).filter((property) => !declared.has(property))).toEqual([]);
  });

  it.each(variableDefinitions())('documents $name in whole sentences', ({ doc, group, name }) => {
    expect(doc).toMatch(/^[A-Za-z].{10,}\.$/s);
    expect(group).not.toBe('');
    // A duration or a size without a unit is a guess.
    if (name.endsWith('_MS')) expect(doc).toMatch(/milliseconds/i);
    if (name.endsWith('_SECONDS')) expect(doc).toMatch(/seconds/i);
    if (name.endsWith('_BYTES')) expect(doc).toMatch(/bytes/i);
    if (name.endsWith('_HOURS')) expect(doc).toMatch(/hours/i);
  });

  it('refuses a value that is no value, and names the variable', () => {
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
