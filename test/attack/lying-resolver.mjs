/**
 * Loaded into a server before its own code, this is a name server in the hands of an attacker: names below
 * `parley-attack.dev` lead where the first label says, everything else is found as always.
 */
import { Resolver } from 'node:dns/promises';

const PUBLIC = '1.1.1.1';
const PRIVATE = '127.0.0.1';
const { resolve4, resolve6 } = Resolver.prototype;
let asked = 0;

const ANSWERS = {
  'first-public': () => [(asked += 1) === 1 ? PUBLIC : PRIVATE],
  private: () => [PRIVATE],
  mixed: () => [PUBLIC, PRIVATE],
};

const labelOf = (name) => /^([a-z-]+)\.parley-attack\.dev$/.exec(name)?.[1];

Resolver.prototype.resolve4 = function (name, ...options) {
  const label = labelOf(name);
  return label !== undefined ? Promise.resolve(ANSWERS[label]()) : resolve4.call(this, name, ...options);
};
Resolver.prototype.resolve6 = function (name, ...options) {
  if (labelOf(name) === undefined) return resolve6.call(this, name, ...options);
  return Promise.reject(Object.assign(new Error('no IPv6'), { code: 'ENODATA' }));
};
