import { lookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';

/** Injection token of what finds the addresses of a host name. */
export const HOST_RESOLVER = Symbol('HOST_RESOLVER');

/** All addresses of a host name, as a connection would use them. Throws what `dns.lookup` throws. */
export type HostResolver = (hostname: string) => Promise<readonly LookupAddress[]>;

export const systemResolver: HostResolver = (hostname) => lookup(hostname, { all: true });
