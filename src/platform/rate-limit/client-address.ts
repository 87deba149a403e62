import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { isIPv4, isIPv6 } from 'node:net';

/** Some proxies write `address:port`, with an IPv6 address in brackets. */
const WITH_PORT = /^(?:\[(?<v6>[^\]]+)\](?::\d{1,5})?|(?<v4>(?:::ffff:)?\d{1,3}(?:\.\d{1,3}){3}):\d{1,5})$/i;

/**
 * The key by which a client is counted: its IPv4 address, or the /64 of its IPv6 address, because one household or server gets
 * a /64 and can change addresses in it. The port that a proxy adds is ignored. All invalid addresses count as one client.
 */
export function clientAddress(text: string): string {
  const { v4, v6 } = WITH_PORT.exec(text)?.groups ?? {};
  const ip = v4 ?? v6 ?? text;
  const [mapped] = /(?<=^::ffff:)\d+\.\d+\.\d+\.\d+$/i.exec(ip) ?? [];
  const address = mapped ?? (ip.split('%', 1)[0] as string);
  if (isIPv4(address)) return address;
  return isIPv6(address) ? networkOf(address) : 'unknown';
}

/** The first four groups of an IPv6 address. */
function networkOf(address: string): string {
  const [head, tail] = address.toLowerCase().split('::') as [string, string?];
  const groups = (text = ''): string[] => (text === '' ? [] : text.split(':'));
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail)];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** The client's address for rate limits; behind proxies, the one that TRUSTED_PROXIES allows us to trust. */
export const ClientAddress = createParamDecorator((_: unknown, context: ExecutionContext): string =>
  clientAddress(context.switchToHttp().getRequest<FastifyRequest>().ip),
);
