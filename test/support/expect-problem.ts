import type { Response } from 'supertest';
import { ERROR_CATALOGUE, type ErrorCode } from '../../src/kernel/errors/error-catalogue.js';

/** Checks that a response is the problem document of a code, with its status and exactly these errors. */
export function expectProblem(response: Response, code: ErrorCode, pointers?: string[]): void {
  const body = (typeof response.body === 'object' ? response.body : {}) as {
    code?: string;
    errors?: { pointer: string }[];
  };
  expect({ code: body.code, status: response.status, type: response.headers['content-type'] }).toEqual({
    code,
    status: ERROR_CATALOGUE[code].status,
    type: 'application/problem+json; charset=utf-8',
  });
  expect(response.body).toMatchObject({
    type: `/docs/errors#${code}`,
    title: ERROR_CATALOGUE[code].title,
    status: ERROR_CATALOGUE[code].status,
    request_id: response.headers['x-request-id'],
  });
  if (pointers !== undefined) expect([...new Set(body.errors?.map(({ pointer }) => pointer))]).toEqual(pointers);
}
