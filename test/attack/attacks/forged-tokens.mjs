import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { each, visible } from '../client.mjs';
import { forgedTokens, misusedTokens } from '../forged-tokens.mjs';
import { Person } from '../people.mjs';

/** Tokens that this server has not made, or not for this: each kind, for each way of signing. */
export async function forgeTokens({ target, report }) {
  const pairs = {
    EdDSA: generateKeyPairSync('ed25519'),
    RS256: generateKeyPairSync('rsa', { modulusLength: 3072 }),
  };
  await forgeAt(target, target.main, 'HS256', null, report);
  for (const [algorithm, { privateKey }] of Object.entries(pairs)) {
    const file = target.file(`${algorithm}.pem`, privateKey.export({ format: 'pem', type: 'pkcs8' }));
    target.secrets.add('private key', privateKey.export({ format: 'jwk' }).d);
    const server = await target.server(algorithm, { JWT_KEY_FILES: file });
    await forgeAt(target, server, algorithm, privateKey, report);
    await target.retire(algorithm);
  }
}

async function forgeAt(target, server, algorithm, privateKey, report) {
  const { client } = target;
  const ada = await Person.register(target, server);
  const { keys: publicKeys } = (await client.call(server, 'GET', '/.well-known/jwks.json')).body;
  const sign = (header, claims) => {
    const encode = (value) =>
      Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
    const signed = `${encode(header)}.${encode(claims)}`;
    const signature =
      privateKey === null
        ? createHmac('sha256', target.settings.JWT_SECRET).update(signed).digest()
        : signWith(algorithm === 'EdDSA' ? null : 'sha256', Buffer.from(signed), privateKey);
    return `${signed}.${signature.toString('base64url')}`;
  };
  const [header, claims] = ada.token.split('.').map((part, i) => i < 2 && JSON.parse(Buffer.from(part, 'base64url')));
  const made = await client.call(server, 'GET', '/users/me', { token: sign(header, claims) });
  if (made.status !== 200) throw new Error(`a good token is refused by ${algorithm}: the forgeries would be, too`);
  const nobody = visible(await client.call(server, 'GET', '/users/me'));
  const tokens = [
    ...forgedTokens({ token: ada.token, publicKeys, refreshToken: ada.refreshToken }),
    ...misusedTokens({ token: ada.token, sign }),
  ];
  await each(tokens, 8, async ({ name, token }) => {
    const answer = await client.call(server, 'GET', '/users/me', { token });
    report.judge(`${algorithm}: ${name}`, visible(answer) === nobody, answer);
  });
}
