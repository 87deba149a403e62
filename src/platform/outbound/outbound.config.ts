import { IsArray, IsString } from 'class-validator';
import { IsMilliseconds, IsWhole } from '../config/checks.js';
import { Variable } from '../config/variable.decorator.js';
import { isNameServer, parseAllowedHosts } from './address-policy.js';

/** Calls of this server to others: what may be called, and when a failing one is not called. */
export class OutboundConfig {
  static readonly title = 'Outgoing calls';

  @Variable('Milliseconds to open a connection to a model provider.')
  @IsMilliseconds(10)
  llmConnectTimeoutMs: number = 5000;

  @Variable(
    'Consecutive failures that open the circuit breaker of a model: no instance calls the model then. Failure of half of at least 20 calls within 30 seconds opens it too. Calls with the key of a project count for that key only.',
  )
  @IsWhole(1, 1000)
  circuitFailures: number = 5;

  @Variable(
    'Milliseconds for which an open circuit breaker blocks calls; then one test call is made. After each failed test call the time doubles, up to two minutes.',
  )
  @IsMilliseconds(100, 120_000)
  circuitOpenMs: number = 10_000;

  @Variable(
    'Milliseconds between two checks for circuit breakers that other instances opened. Instances notify each other at once; this is the longest delay when a notification is lost.',
  )
  @IsMilliseconds(100)
  circuitPollMs: number = 5000;

  @Variable(
    'Hosts on private networks that users may name as their own provider, separated by commas: host names, addresses or networks (10.0.0.0/8). For these, http and every port are allowed.',
  )
  @IsArray()
  @IsString({ each: true })
  providerUrlAllow: string[] = [];

  @Variable(
    "Name servers that resolve the hosts of users' own providers, separated by commas: IP addresses, with :port if it is not 53. When empty, the name servers of the system. Hosts in PROVIDER_URL_ALLOW are always resolved by the system.",
  )
  @IsArray()
  @IsString({ each: true })
  providerDnsServers: string[] = [];

  static problems({ providerUrlAllow, providerDnsServers }: OutboundConfig): string[] {
    const problems: string[] = [];
    if (parseAllowedHosts(providerUrlAllow) === null) {
      problems.push('PROVIDER_URL_ALLOW: takes host names in lower case, IP addresses and networks such as 10.0.0.0/8');
    }
    if (!providerDnsServers.every(isNameServer)) {
      problems.push(
        'PROVIDER_DNS_SERVERS: takes IP addresses, with :port if it is not 53 (an IPv6 address then in brackets)',
      );
    }
    return problems;
  }
}
