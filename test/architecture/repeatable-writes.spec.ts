import 'reflect-metadata';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RequestMethod } from '@nestjs/common';
import { INTERCEPTORS_METADATA, METHOD_METADATA } from '@nestjs/common/constants.js';
import { IDEMPOTENCY, IdempotencyInterceptor } from '../../src/platform/idempotency/idempotency.interceptor.js';

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
  const files: object[] = [];
  // One after another: Jest cannot load two graphs of modules at a time that share files.
  for (const name of names) files.push((await import(join(SOURCES, name))) as object);
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

const isWrite = (handler: object): boolean => {
  const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
  return method !== undefined && method !== RequestMethod.GET;
};
const idempotencyOf = (handler: object): unknown => Reflect.getMetadata(IDEMPOTENCY, handler);

it('every writing route declares how it handles Idempotency-Key, and no other route does', async () => {
  const all = await handlers();
  const writes = all.filter(([, handler]) => isWrite(handler));
  expect(writes.length).toBeGreaterThan(30);
  const silent = writes.filter(([, handler]) => idempotencyOf(handler) === undefined);
  expect(silent.map(([name]) => name)).toEqual([]);
  const others = all.filter(([, handler]) => !isWrite(handler) && idempotencyOf(handler) !== undefined);
  expect(others.map(([name]) => name)).toEqual([]);
});

it('only the idempotency interceptor wraps a route, and only the listed writes lack it', async () => {
  const without: string[] = [];
  for (const [name, handler] of await handlers()) {
    const interceptors = Reflect.getMetadata(INTERCEPTORS_METADATA, handler) as unknown[] | undefined;
    if (interceptors !== undefined) expect([name, interceptors]).toEqual([name, [IdempotencyInterceptor]]);
    if (isWrite(handler)) expect([name, interceptors === undefined]).toEqual([name, idempotencyOf(handler) === 'own']);
    if (isWrite(handler) && interceptors === undefined) without.push(name);
  }
  expect(without.sort()).toEqual(OWN);
});
