import 'reflect-metadata';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RequestMethod } from '@nestjs/common';
import { INTERCEPTORS_METADATA, METHOD_METADATA } from '@nestjs/common/constants.js';
// It puts the interceptor on the routes.
import '../../src/app.module.js';
import { IdempotencyInterceptor } from '../../src/platform/idempotency/idempotency.interceptor.js';

const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url));

/** They keep the key themselves, with what they write. */
const OWN = [
  'AuthController.changePassword',
  'ProviderKeysController.set',
  'TurnStreamsController.regenerate',
  'TurnStreamsController.send',
  'TurnsController.regenerate',
  'TurnsController.send',
];

/** Every handler of every controller, inherited ones too, whatever module it is in. */
async function handlers(): Promise<[string, object][]> {
  const names = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((n) => n.endsWith('.controller.ts'));
  const files = (await Promise.all(names.map((name) => import(join(SOURCES, name))))) as object[];
  const classes = files
    .flatMap((file) => Object.values(file) as unknown[])
    .filter((value) => typeof value === 'function');
  return classes.flatMap(({ name, prototype }) => {
    const found: [string, object][] = [];
    for (let at = prototype as object; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
      for (const [method, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
        if (typeof value === 'function') found.push([`${name}.${method}`, value as object]);
      }
    }
    return found;
  });
}

it('has every write see to its Idempotency-Key, and nothing else stand around a route', async () => {
  const writes = (await handlers()).filter(([, handler]) => {
    const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
    return method !== undefined && method !== RequestMethod.GET;
  });
  expect(writes.length).toBeGreaterThan(30);
  const without = writes.filter(([, handler]) => {
    const interceptors = Reflect.getMetadata(INTERCEPTORS_METADATA, handler) as unknown[] | undefined;
    if (interceptors !== undefined) expect(interceptors).toEqual([IdempotencyInterceptor]);
    return interceptors === undefined;
  });
  expect(without.map(([name]) => name).sort()).toEqual(OWN);
});
