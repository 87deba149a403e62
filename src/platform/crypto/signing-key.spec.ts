import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { CryptoConfig } from './crypto.config.js';
import { readKeyFile } from './signing-key.js';
import { SigningKeys } from './signing-keys.js';

const ed25519 = generateKeyPairSync('ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 });
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'key-files-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(text: string | Buffer, mode = 0o600): string {
  const path = join(dir, `${Math.random()}.pem`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}
function problemOf(path: string): string | undefined {
  try {
    readKeyFile(path);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
const pkcs8 = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;
const spki = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }) as string;

describe('a key file', () => {
  it.each([
    ['Ed25519', pkcs8(ed25519.privateKey), 'EdDSA', true],
    ['RSA', pkcs8(rsa.privateKey), 'RS256', true],
    ['RSA in its older form', rsa.privateKey.export({ format: 'pem', type: 'pkcs1' }) as string, 'RS256', true],
    ['a public Ed25519', spki(ed25519.publicKey), 'EdDSA', false],
    ['a public RSA', spki(rsa.publicKey), 'RS256', false],
  ])('may hold a key of the kind %s', (_kind, text, algorithm, signs) => {
    const key = readKeyFile(file(text));
    expect(key).toMatchObject({ algorithm, verify: { type: 'public' } });
    expect(key.sign?.type).toBe(signs ? 'private' : undefined);
  });

  it('gives both halves of a pair the same id, the thumbprint of RFC 8037, appendix A.3', () => {
    const jwk = { kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' };
    const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
    const pair = createPrivateKey({ key: { ...jwk, x }, format: 'jwk' });
    expect(readKeyFile(file(pkcs8(pair))).id).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
    expect(readKeyFile(file(spki(rsa.publicKey))).id).toBe(readKeyFile(file(pkcs8(rsa.privateKey))).id);
  });

  it.each<[string, () => string, string]>([
    ['that is not there', () => join(dir, 'none.pem'), 'cannot be read (ENOENT)'],
    ['that is a directory', () => dir, 'cannot be read (EISDIR)'],
    ['that is empty', () => file(''), 'holds no key in PEM form without a passphrase'],
    ['with something else in it', () => file('secret words'), 'holds no key in PEM form without a passphrase'],
    [
      'with half a key',
      () => file(pkcs8(ed25519.privateKey).slice(0, 60)),
      'holds no key in PEM form without a passphrase',
    ],
    [
      'with a passphrase',
      () =>
        file(
          ed25519.privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' }) as string,
        ),
      'holds no key in PEM form without a passphrase',
    ],
    [
      'with an RSA key of 2048 bits',
      () => file(pkcs8(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)),
      'holds an RSA key of less than 3072 bits',
    ],
    [
      'with a key of another kind',
      () => file(pkcs8(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)),
      'holds a key that is neither Ed25519 nor RSA',
    ],
  ])('%s is refused in one line', (_what, path, message) => {
    expect(problemOf(path())).toBe(message);
  });
});

describe('the keys of the server', () => {
  const keysOf = (overrides: Partial<CryptoConfig>): SigningKeys =>
    new SigningKeys(Object.assign(new CryptoConfig(), { jwtSecret: 'a secret' }, overrides));

  it('sign with the first private key file, or else with the secret', () => {
    const [privateEd, publicRsa] = [file(pkcs8(ed25519.privateKey)), file(spki(rsa.publicKey))];
    expect(keysOf({}).signer.algorithm).toBe('HS256');
    expect(keysOf({ jwtKeyFiles: [publicRsa] }).signer.algorithm).toBe('HS256');
    expect(keysOf({ jwtKeyFiles: [publicRsa, privateEd] }).signer.algorithm).toBe('EdDSA');
  });

  it('are found only by their id', () => {
    const keys = keysOf({});
    expect(keys.find(keys.signer.id)).toMatchObject({ id: keys.signer.id });
    for (const id of [undefined, null, '', 0, [keys.signer.id], { kid: keys.signer.id }, '__proto__', 'constructor']) {
      expect(keys.find(id)).toBeUndefined();
    }
  });

  it('give each secret a stable id of its own, which contains no part of it', () => {
    const id = keysOf({}).signer.id;
    expect(keysOf({}).signer.id).toBe(id);
    expect(id).toMatch(/^[\w-]{16}$/);
    expect(keysOf({ jwtSecret: 'another' }).signer.id).not.toBe(id);
  });

  it('warn about a private key file that others can read, but not about a public one', () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const [open, closed] = [file(pkcs8(ed25519.privateKey), 0o644), file(pkcs8(rsa.privateKey), 0o400)];
    keysOf({ jwtKeyFiles: [open, closed, file(spki(rsa.publicKey), 0o644)] });
    expect(warn.mock.calls).toEqual([[{ path: open }, 'A private key can be read by others']]);
    warn.mockRestore();
  });
});
