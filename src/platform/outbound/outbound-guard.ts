import { isIP, type LookupFunction } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { buildConnector } from 'undici';
import { OutboundConfig } from './outbound.config.js';
import { type AllowedHosts, HOST_NAME, isPublicAddress, parseAllowedHosts } from './address-policy.js';
import { HOST_RESOLVER, type HostResolver } from './host-resolver.js';

/** The `code` of the error when the guard refuses a connection. */
export const ADDRESS_REFUSED = 'ERR_ADDRESS_REFUSED';

class AddressRefused extends Error {
  readonly code = ADDRESS_REFUSED;
}

// The only spelling allowed: no user, no query, no percent signs, only ASCII. The result is then compared with that of the
// URL parser, which also reads decimal, octal, hexadecimal and short spellings of an IPv4 address.
const SHAPE = /^(https?):\/\/([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?((?:\/[a-z0-9._~:@-]*)*)$/i;
const MAX_LENGTH = 500;
const PORTS = ['', '443', '8443'];
// RFC 6761, 6762, 8375, 2606 and 7686, and names that are common in company networks.
const LOCAL_NAME =
  /(^|\.)(localhost|local|localdomain|internal|intranet|private|corp|home|lan|arpa|test|example|invalid|onion)$/;

/**
 * Lets the server call addresses that users give, but not its own network. An address is checked when it is given, and again
 * at each connection: the guard checks the addresses that the name resolves to and connects to exactly these, so a DNS
 * change in between (rebinding) achieves nothing.
 */
@Injectable()
export class OutboundGuard {
  private readonly allowed: AllowedHosts;
  private readonly connector: buildConnector.connector;

  constructor(
    config: OutboundConfig,
    @Inject(HOST_RESOLVER) private readonly resolve: HostResolver,
  ) {
    this.allowed = parseAllowedHosts(config.providerUrlAllow) as AllowedHosts;
    this.connector = buildConnector({ timeout: config.llmConnectTimeoutMs, lookup: this.lookup });
  }

  /** Why the server refuses to call the URL, as a clause for the user; null if it does not. Resolves the name. */
  async objectionTo(url: string): Promise<string | null> {
    const objection = this.objectionToSpelling(url);
    if (objection !== null || !namesHost(url)) return objection;
    try {
      await this.addressesOf(new URL(url).hostname);
      return null;
    } catch (error) {
      return error instanceof AddressRefused ? 'must not lead to a private address' : 'names a host that is not found';
    }
  }

  /** Like `objectionTo`, but without resolving a name. */
  objectionToSpelling(url: string): string | null {
    const [, scheme, host, port = '', path = ''] = (url.length <= MAX_LENGTH && SHAPE.exec(url)) || [];
    if (scheme === undefined || host === undefined) return 'must be a plain https:// address';
    const { hostname, pathname } = parse(url);
    const isLiteral = host.startsWith('[') || isIP(host) !== 0;
    if ((!host.startsWith('[') && hostname !== host.toLowerCase()) || pathname !== (path || '/')) {
      return 'must be written plainly';
    }
    if (this.isAllowed(hostname)) return null;
    if (scheme.toLowerCase() !== 'https') return 'must be an https:// address';
    if (!PORTS.includes(port)) return 'must use port 443 or 8443';
    if (isLiteral) return isPublicAddress(bare(hostname)) ? null : 'must not lead to a private address';
    return HOST_NAME.test(hostname) && /\.[a-z][a-z0-9-]*$/.test(hostname) && !LOCAL_NAME.test(hostname)
      ? null
      : 'must be the full name of a public host';
  }

  /** Opens connections for an undici dispatcher, but only to allowed addresses. */
  readonly connect: buildConnector.connector = (options, callback) => {
    const { hostname } = options;
    // A literal address is connected to without a lookup.
    if (isIP(hostname) !== 0 && !this.isAllowed(hostname) && !isPublicAddress(hostname)) {
      return callback(refused(hostname), null);
    }
    this.connector(options, callback);
  };

  private readonly lookup: LookupFunction = (hostname, { all }, callback) => {
    this.addressesOf(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, []),
    );
  };

  private async addressesOf(hostname: string): ReturnType<HostResolver> {
    const isOperators = this.allowed.names.has(hostname);
    const addresses = await this.resolve(hostname, isOperators);
    if (addresses.length === 0) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
    // A private address among public ones is an attack, so the whole answer is refused.
    const isOpen = ({ address }: { address: string }): boolean => this.isAllowed(address) || isPublicAddress(address);
    if (!isOperators && !addresses.every(isOpen)) throw refused(hostname);
    return addresses;
  }

  private isAllowed(hostname: string): boolean {
    const host = bare(hostname);
    const family = isIP(host);
    if (family === 0) return this.allowed.names.has(host);
    return this.allowed.addresses.check(host, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** Whether the host of a well-formed URL is a name, which must be resolved before a call. */
export function namesHost(url: string): boolean {
  return isIP(bare(new URL(url).hostname)) === 0;
}

function parse(url: string): { hostname: string; pathname: string } {
  try {
    return new URL(url);
  } catch {
    return { hostname: '', pathname: '' };
  }
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function refused(hostname: string): AddressRefused {
  return new AddressRefused(`${hostname} leads to an address that is not public`);
}
