import type { Response } from 'supertest';

/** A response byte by byte, without the parts that depend on the request: its id, its path and the time. */
export function bareAnswer({ status, headers, text }: Response): unknown {
  const { date: _date, 'x-request-id': id, 'content-length': _length, ...rest } = headers as Record<string, string>;
  return {
    status,
    headers: rest,
    body: text.replaceAll(id as string, '<id>').replace(/"instance":"[^"]*"/, '"instance":"<path>"'),
  };
}
