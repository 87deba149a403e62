import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { KeyRing } from '../crypto/key-ring.js';
import type { IdempotencyKey } from './idempotency-key.js';

const WELL_FORMED = /^[\x21-\x7e]{1,255}$/;

@Injectable()
export class IdempotencyKeys {
  // Bodies may contain passwords. Without this key, stored hashes of bodies could be guessed.
  private readonly hashKey: Buffer;

  constructor(keys: KeyRing) {
    this.hashKey = keys.deriveLasting('idempotency');
  }

  /** The value of the header, if present. Throws `validation_failed` unless it is 1 to 255 visible characters. */
  given({ headers }: FastifyRequest): string | undefined {
    const key = headers['idempotency-key'];
    if (key === undefined || (typeof key === 'string' && WELL_FORMED.test(key))) return key;
    throw AppError.invalid('Idempotency-Key', 'must be 1 to 255 visible ASCII characters');
  }

  /** The key of a request, or null if it has none; throws like `given`. */
  of(request: FastifyRequest & { user?: Actor }): IdempotencyKey | null {
    const { method, routeOptions, url, body, user } = request;
    const key = this.given(request);
    if (key === undefined) return null;
    const requestHash = createHmac('sha256', this.hashKey).update(url).update('\0').update(textOf(body)).digest();
    // An API key that is bound to a project has its own keys: it must not see responses from outside its project.
    const project = user?.projectId == null ? '' : ` ${user.projectId}`;
    return { route: `${method} ${routeOptions.url ?? ''}${project}`, key, requestHash };
  }
}

function textOf(body: unknown): string {
  try {
    return JSON.stringify(body ?? null);
  } catch {
    // Deeper than the stack allows: no valid request has this form.
    throw AppError.invalid('', 'is nested too deeply');
  }
}
