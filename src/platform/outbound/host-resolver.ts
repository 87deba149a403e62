import type { LookupAddress } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';

/** Injection token of the resolver of host names. */
export const HOST_RESOLVER = Symbol('HOST_RESOLVER');

/**
 * All addresses of a host name, IPv4 first.
 * @param isOperators whether the operator has named this host, so that it may be in the hosts file of this machine
 * Throws within `RESOLVE_TIMEOUT_MS`, with the `code` of `dns.lookup`: `ENOTFOUND`, or `EAI_AGAIN` without an answer.
 */
export type HostResolver = (hostname: string, isOperators: boolean) => Promise<readonly LookupAddress[]>;

export const RESOLVE_TIMEOUT_MS = 3000;
/** For one query, which is repeated once if there is no answer. */
const QUESTION_TIMEOUT_MS = 1000;
const TRIES = 2;
/** The name or the record does not exist. Every other code means that the name server gave no usable answer. */
const NOT_THERE: readonly unknown[] = ['ENOTFOUND', 'ENODATA'];

/**
 * c-ares resolves the names that users give, because it waits on sockets. `dns.lookup` would block one of libuv's four threads
 * while a name server is silent, and this process needs those threads to open every connection. Only names that the operator
 * allows go to `dns.lookup`, which also reads the hosts file. Concurrent lookups of a name share one query, so no user can
 * occupy the threads with one name.
 * @param servers name servers for the names of users, as `address` or `address:port`; if empty, those of the system
 */
export function createHostResolver(servers: readonly string[]): HostResolver {
  const running = new Map<string, ReturnType<HostResolver>>();
  return (hostname, isOperators) => {
    const known = running.get(hostname);
    if (known !== undefined) return known;
    const answer = isOperators ? bySystem(hostname) : byNameServers(hostname, servers);
    const addresses = answer.finally(() => running.delete(hostname));
    running.set(hostname, addresses);
    return addresses;
  };
}

function bySystem(hostname: string): ReturnType<HostResolver> {
  return inTime(lookup(hostname, { all: true }), hostname);
}

/** Each name has its own channel, so that a slow name server of one user does not delay other queries. */
function byNameServers(hostname: string, servers: readonly string[]): ReturnType<HostResolver> {
  const resolver = new Resolver({ timeout: QUESTION_TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  const questions = [resolver.resolve4(hostname), resolver.resolve6(hostname)] as const;
  return inTime(addressesOf(hostname, questions), hostname, () => resolver.cancel());
}

async function addressesOf(hostname: string, questions: readonly Promise<string[]>[]): ReturnType<HostResolver> {
  const answers = await Promise.allSettled(questions);
  const addresses = answers.flatMap((answer, i) =>
    answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family: i === 0 ? 4 : 6 })) : [],
  );
  if (addresses.length > 0) return addresses;
  const isGone = answers.every((answer) => answer.status === 'fulfilled' || isNotThere(answer.reason));
  throw failure(hostname, isGone ? 'ENOTFOUND' : 'EAI_AGAIN');
}

function isNotThere(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && NOT_THERE.includes(error.code);
}

function inTime<T>(answer: Promise<T>, hostname: string, cancel = (): void => undefined): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(failure(hostname, 'EAI_AGAIN'));
      cancel();
    }, RESOLVE_TIMEOUT_MS);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

function failure(hostname: string, code: 'ENOTFOUND' | 'EAI_AGAIN'): Error {
  return Object.assign(new Error(`no address of ${hostname}`), { code });
}
