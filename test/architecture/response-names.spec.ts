import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
  .map((name): [string, string] => [name, readFileSync(join(SRC, name), 'utf8')]);

const DECLARED = /^export (?:abstract )?(?:class|interface|type) (\w+)/gm;

/** Names that a DTO file declares and another file declares too. */
function sharedNames(files: readonly (readonly [string, string])[]): string[] {
  const namesOf = (isDto: boolean): string[] =>
    files
      .filter(([name]) => name.endsWith('.dto.ts') === isDto)
      .flatMap(([, text]) => [...text.matchAll(DECLARED)].map(([, name = '']) => name));
  const others = new Set(namesOf(false));
  return namesOf(true).filter((name) => others.has(name));
}

describe('a class of a request or a response', () => {
  it('has a name that no entity and no other type has', () => {
    expect(sharedNames(FILES)).toEqual([]);
  });

  it('is reported when it has the name of an entity', () => {
    const entity = ['thing.entity.ts', 'export class Thing {}'] as const;
    expect(sharedNames([entity, ['thing.dto.ts', "@ApiSchema({ name: 'Thing' })\nexport class Thing {}"]])).toEqual([
      'Thing',
    ]);
    expect(sharedNames([entity, ['thing.dto.ts', 'export class ThingResponse {}']])).toEqual([]);
  });
});
