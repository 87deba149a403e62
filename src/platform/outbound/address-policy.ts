import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Global addresses by their range, but not public: on Azure, this address reaches a service of the host. */
const NOT_PUBLIC_EITHER = ['168.63.129.16'];
// The part of IPv6 that is allocated so far; it excludes ::a.b.c.d and the like (RFC 4291, IANA).
const [GLOBAL_IPV6, GLOBAL_IPV6_BITS] = ipaddr.IPv6.parseCIDR('2000::/3');
/** A DNS host name in lower case. */
export const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/**
 * Whether an IP address belongs to a host on the public internet. It is false for this machine, private and link-local
 * networks, multicast, transition mechanisms that lead to another address, and unassigned ranges.
 */
export function isPublicAddress(address: string): boolean {
  const ip = ipaddr.parse(address);
  if (ip.range() !== 'unicast' || NOT_PUBLIC_EITHER.includes(address)) return false;
  return ip.kind() === 'ipv4' || ip.match(GLOBAL_IPV6, GLOBAL_IPV6_BITS);
}

/** Private hosts that the operator allows users to name. */
export interface AllowedHosts {
  readonly names: ReadonlySet<string>;
  readonly addresses: BlockList;
}

/** Parses host names, addresses and networks (`10.0.0.0/8`). Null if an entry is none of these. */
export function parseAllowedHosts(entries: readonly string[]): AllowedHosts | null {
  const allowed = { names: new Set<string>(), addresses: new BlockList() };
  for (const entry of entries) {
    const [address = '', bits, ...more] = entry.split('/');
    const family = isIP(address);
    if (family === 0) {
      if (!HOST_NAME.test(entry)) return null;
      allowed.names.add(entry);
      continue;
    }
    const max = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? max : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (more.length > 0 || !(prefix <= max)) return null;
    allowed.addresses.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return allowed;
}

/** Whether it is an IP address, optionally with a port: `192.0.2.1:5353`, `[2001:db8::1]:5353`. */
export function isNameServer(entry: string): boolean {
  if (isIP(entry) !== 0) return true;
  const [, ipv6, ipv4 = '', port] = /^(?:\[([^[\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  return (
    (ipv6 === undefined ? isIP(ipv4) === 4 : isIP(ipv6) === 6) && Number(port ?? 53) > 0 && Number(port ?? 53) < 65_536
  );
}
