import { clientAddress } from './client-address.js';

describe('the address by which a client is counted', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    // Some proxies append the port of the connection to the address, and it differs for each connection.
    ['192.0.2.7:50123', '192.0.2.7'],
    ['::ffff:192.0.2.7:50123', '192.0.2.7'],
    ['[2001:db8:1:2:3:4:5:6]:50123', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2:3:4:5:6]', '2001:db8:1:2::/64'],
    // Invalid addresses are made up by a client; all of them count as one client.
    ['unix:', 'unknown'],
    ['unknown', 'unknown'],
    ['_hidden1', 'unknown'],
    ['999.0.2.7', 'unknown'],
    ['192.0.2.7:50123:1', 'unknown'],
    ['x'.repeat(100), 'unknown'],
  ])('of %s is %s', (ip, address) => {
    expect(clientAddress(ip)).toBe(address);
  });
});
