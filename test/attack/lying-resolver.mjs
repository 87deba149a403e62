/**
 * Loaded into a server before its own code, this is a name server in the hands of an attacker: names below
 * `parley-attack.dev` lead where the first label says, everything else is found as always.
 */
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

const PUBLIC = { address: '1.1.1.1', family: 4 };
const PRIVATE = { address: '127.0.0.1', family: 4 };
const honest = dns.promises.lookup;
let asked = 0;

const ANSWERS = {
  'first-public': () => [(asked += 1) === 1 ? PUBLIC : PRIVATE],
  private: () => [PRIVATE],
  mixed: () => [PUBLIC, PRIVATE],
};

dns.promises.lookup = (name, options) => {
  const [, label] = /^([a-z-]+)\.parley-attack\.dev$/.exec(name) ?? [];
  return label !== undefined ? Promise.resolve(ANSWERS[label]()) : honest(name, options);
};
syncBuiltinESMExports();
