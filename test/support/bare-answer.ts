import type { Response } from 'supertest';

/** An answer byte by byte, but for what belongs to the request: its id, its path and the time. */
export function bareAnswer({ status, headers, text }: Response): unknown {
  const { date: _date, 'x-request-id': id, 'content-length': _length, ...rest } = headers as Record<string, string>;
  return {
    status,
    headers: rest,
    body: text.replaceAll(id as string, '<id>').replace(/"instance":"[^"]*"/, '"instance":"<path>"'),
  };
}
