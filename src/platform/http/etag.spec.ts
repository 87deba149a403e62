import type { ExecutionContext } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';
import { IfMatch, requireVersion, setEtag } from './etag.js';

class Probe {
  handler(@IfMatch() ifMatch: readonly number[] | null): unknown {
    return ifMatch;
  }
}

type Factory = (data: unknown, context: ExecutionContext) => readonly number[] | null;

/** What a handler receives from the decorator for this header. */
function ifMatch(header: string | undefined): readonly number[] | null {
  const given = Reflect.getMetadata('__routeArguments__', Probe, 'handler') as Record<string, { factory: Factory }>;
  const request = { headers: header === undefined ? {} : { 'if-match': header } };
  const context = { switchToHttp: () => ({ getRequest: () => request }) } as unknown as ExecutionContext;
  return (Object.values(given)[0] as { factory: Factory }).factory(undefined, context);
}

describe('setEtag', () => {
  it('writes the version as a strong tag that If-Match reads back', () => {
    const headers: Record<string, string> = {};
    const reply = { header: (name: string, value: string) => (headers[name] = value) } as unknown as FastifyReply;
    setEtag(reply, { version: 7 });
    expect(headers).toEqual({ etag: '"7"' });
    expect(ifMatch(headers.etag)).toEqual([7]);
  });
});

// The syntax of RFC 9110, 13.1.1: a star, or a list of entity tags. A malformed list is refused as a whole.
describe('If-Match', () => {
  it.each([[undefined], ['*'], [' * ']])('requires no version when it is %j', (header) => {
    expect(ifMatch(header)).toBeNull();
  });

  it.each<[string, number[]]>([
    ['"1"', [1]],
    [' "12" ', [12]],
    ['"1", "2"', [1, 2]],
    ['"1","2" ,"3"', [1, 2, 3]],
    ['"garbage", "3"', [3]],
    ['"a,comma", "3"', [3]],
    ['"", "3"', [3]],
    [', "3",,', [3]],
    ['W/"2", "3"', [3]],
  ])('%s names versions', (header, versions) => {
    expect(ifMatch(header)).toEqual(versions);
  });

  it.each([
    '',
    ',',
    'garbage',
    '1',
    '"1',
    '1"',
    "'1'",
    'W/"1"',
    '"0"',
    '"01"',
    '"-1"',
    '"1.0"',
    '"9999999999"',
    '"*"',
    '"garbage, "3"',
    '"2" "3"',
    '"3", garbage',
    '"3", *',
    '"3"; q=1',
    '"3", "',
  ])('%j names none of ours, so it matches nothing', (header) => {
    expect(ifMatch(header)).toEqual([]);
  });
});

describe('requireVersion', () => {
  it('accepts requests for no version or for the current one', () => {
    expect(() => requireVersion(null, { version: 3 })).not.toThrow();
    expect(() => requireVersion([3], { version: 3 })).not.toThrow();
    expect(() => requireVersion([1, 3], { version: 3 })).not.toThrow();
  });

  it.each([[[]], [[2]], [[1, 2, 4]]])('refuses %j when the version is 3', (versions) => {
    expect(() => requireVersion(versions, { version: 3 })).toThrow(new AppError('precondition_failed'));
  });
});
