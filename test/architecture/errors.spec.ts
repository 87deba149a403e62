import { readFileSync } from 'node:fs';
import { ERROR_CATALOGUE } from '../../src/kernel/errors/error-catalogue.js';
import { problemType } from '../../src/platform/http/problem.js';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const ROW = /^\| <a id="(\w+)"><\/a>`(\w+)` \| (\d{3}) \| (.+?) \| (.+?) \|$/gm;

const documented = [...read('docs/errors.md').matchAll(ROW)].map(([, anchor, code, status, title, advice]) => ({
  anchor,
  code: code as string,
  status: Number(status),
  title,
  advice: advice as string,
}));

const catalogue = Object.entries(ERROR_CATALOGUE).map(([code, { status, title }]) => ({ code, status, title }));
const byCode = <T extends { code: string }>(list: T[]): T[] => [...list].sort((a, b) => a.code.localeCompare(b.code));

describe('docs/errors.md', () => {
  it('lists exactly the codes of the catalogue, each once, with its status and title', () => {
    expect(byCode(documented.map(({ code, status, title }) => ({ code, status, title })))).toEqual(byCode(catalogue));
  });

  it('has no row in a form that this test would overlook', () => {
    const rows = read('docs/errors.md').match(/^\| (?!code )(?!-)/gm) ?? [];
    expect(rows).toHaveLength(documented.length);
  });

  it.each(documented)('says what to do about $code, at the anchor of its type', ({ anchor, code, advice }) => {
    expect(`/docs/errors#${anchor}`).toBe(problemType(code as keyof typeof ERROR_CATALOGUE));
    expect(advice).toMatch(/^[A-Z].{15,}\.$/);
  });
});

describe('the OpenAPI document', () => {
  it('has exactly the codes of the catalogue', () => {
    const { components } = JSON.parse(read('openapi.json')) as {
      components: { schemas: { ErrorCode: { anyOf: [{ enum: string[] }, object] } } };
    };
    expect([...components.schemas.ErrorCode.anyOf[0].enum].sort()).toEqual(Object.keys(ERROR_CATALOGUE).sort());
  });
});
