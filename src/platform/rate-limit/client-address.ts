import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { isIPv6 } from 'node:net';

/**
 * What a client is counted by: its IPv4 address, or the /64 of its IPv6 address, which is what one household or server
 * gets and can change within at will. An address that is none counts as itself.
 */
export function clientAddress(ip: string): string {
  const [mapped] = /(?<=^::ffff:)\d+\.\d+\.\d+\.\d+$/i.exec(ip) ?? [];
  if (mapped !== undefined) return mapped;
  const [address] = ip.split('%', 1) as [string];
  if (!isIPv6(address)) return ip;
  const [head, tail] = address.toLowerCase().split('::') as [string, string?];
  const groups = (text = ''): string[] => (text === '' ? [] : text.split(':'));
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail)];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** The client's address as limits count it; behind proxies the one that TRUSTED_PROXIES lets us believe. */
export const ClientAddress = createParamDecorator((_: unknown, context: ExecutionContext): string =>
  clientAddress(context.switchToHttp().getRequest<FastifyRequest>().ip),
);
