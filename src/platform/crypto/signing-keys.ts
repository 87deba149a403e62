import type { JsonWebKey, KeyObject } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { CryptoConfig } from './crypto.config.js';
import { isReadableByOthers, keyOfSecret, readKeyFile, type SigningKey } from './signing-key.js';

export type PublicKey = JsonWebKey & { kid: string; alg: string; use: 'sig' };

/**
 * All keys for the server's tokens. One signs: the first private key of JWT_KEY_FILES, or else JWT_SECRET. All of them
 * verify, so every instance can get a new key before it signs, and an old key can stay until its tokens expire.
 */
@Injectable()
export class SigningKeys {
  readonly signer: SigningKey & { readonly sign: KeyObject };
  private readonly byId: ReadonlyMap<string, SigningKey>;

  constructor(config: CryptoConfig) {
    const files = config.jwtKeyFiles.map(readKeyFile);
    const secrets = [config.jwtSecret as string, ...config.jwtPreviousSecrets].map(keyOfSecret);
    const keys = [...files, ...secrets];
    this.signer = keys.find((key): key is SigningKeys['signer'] => key.sign !== undefined) as SigningKeys['signer'];
    this.byId = new Map(keys.map((key) => [key.id, key]));
    const exposed = config.jwtKeyFiles.filter((path, i) => files[i]?.sign !== undefined && isReadableByOthers(path));
    for (const path of exposed) new Logger(SigningKeys.name).warn({ path }, 'A private key can be read by others');
  }

  find(id: unknown): SigningKey | undefined {
    return typeof id === 'string' ? this.byId.get(id) : undefined;
  }

  /** Like `find`, but throws an Error when there is no such key. */
  get(id: unknown): SigningKey {
    const key = this.find(id);
    if (key === undefined) throw new Error('no signing key has this id');
    return key;
  }

  /** The public keys that others need to verify our tokens, without secrets and private parts (RFC 7517). */
  publicKeys(): PublicKey[] {
    return [...this.byId.values()]
      .filter(({ verify }) => verify.type === 'public')
      .map(({ id, algorithm, verify }) => ({
        ...verify.export({ format: 'jwk' }),
        kid: id,
        alg: algorithm,
        use: 'sig',
      }));
  }
}
