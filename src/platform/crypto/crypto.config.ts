import { IsArray, IsOptional, IsString } from 'class-validator';
import { IsMilliseconds, IsWhole } from '../config/checks.js';
import { Variable } from '../config/variable.decorator.js';
import { parseMasterKeys } from './parse-master-keys.js';
import { readKeyFile } from './signing-key.js';
import { isSample, isWeak, STRONG_SECRET } from './strong-secret.js';

/** Secrets, the tokens that they sign, and the work of hashing passwords. */
export class CryptoConfig {
  static readonly title = 'Secrets and tokens';

  @Variable(
    'Secret that signs access and refresh tokens: at least 32 random characters. Development generates one and keeps it in DATA_DIR. A new value signs everyone out unless JWT_PREVIOUS_SECRETS contains the old one.',
    { secret: true },
  )
  @IsOptional()
  @IsString()
  jwtSecret?: string;

  @Variable(
    'Earlier values of JWT_SECRET, and the next value before it is used, separated by commas. Tokens that they signed are still accepted.',
    { secret: true },
  )
  @IsArray()
  @IsString({ each: true })
  jwtPreviousSecrets: string[] = [];

  @Variable(
    'Paths of PEM files with Ed25519 or RSA keys, separated by commas. The first private key signs access tokens in place of JWT_SECRET; all keys verify them, and a public key only verifies. Other services verify tokens with /.well-known/jwks.json.',
  )
  @IsArray()
  @IsString({ each: true })
  jwtKeyFiles: string[] = [];

  @Variable('Value of the iss claim. Tokens with another issuer are refused.')
  @IsString()
  jwtIssuer: string = 'parley';

  @Variable('Value of the aud claim. Tokens for another audience are refused.')
  @IsString()
  jwtAudience: string = 'parley-api';

  @Variable('Seconds for which an access token is valid.')
  @IsWhole(10, 86_400)
  jwtAccessTtlSeconds: number = 900;

  @Variable(
    'Milliseconds between two checks for sign-ins, API keys and users that were revoked on another instance. Instances notify each other at once; this is the longest delay when a notification is lost.',
  )
  @IsMilliseconds(100)
  revocationPollMs: number = 2000;

  @Variable(
    'Secret key for the hashes of passwords and API keys: at least 32 random characters. Development generates one and keeps it in DATA_DIR. With a new value no stored password and no API key works any more.',
    { secret: true },
  )
  @IsOptional()
  @IsString()
  passwordPepper?: string;

  @Variable(
    'Master keys, which encrypt the keys for the stored secrets of users: `version:key`, separated by commas. Each key is 32 random bytes in base64 (`openssl rand -base64 32`). The first key encrypts; the others only decrypt older data. Development generates one and keeps it in DATA_DIR. Without the version that encrypted it, a stored secret is lost.',
    { secret: true },
  )
  @IsOptional()
  @IsString()
  masterKeys?: string;

  @Variable(
    'bcrypt cost of new password hashes. Each step doubles the time that a hash takes. Production requires at least 10.',
  )
  @IsWhole(4, 15)
  bcryptCost: number = 12;

  @Variable('Number of worker threads that hash passwords and count the tokens of long texts.')
  @IsWhole(1, 16)
  workerThreads: number = 2;

  @Variable(
    'Maximum number of passwords that wait for a worker thread. While the queue is full, sign-ins are answered with 503.',
  )
  @IsWhole(1, 10_000)
  passwordQueue: number = 32;

  static problems(settings: CryptoConfig, isProduction: boolean): string[] {
    const { jwtSecret, passwordPepper, masterKeys } = settings;
    const problems: string[] = [];
    for (const [name, secret] of [
      ['JWT_SECRET', jwtSecret],
      ['PASSWORD_PEPPER', passwordPepper],
    ] as const) {
      if (secret === undefined ? isProduction : isWeak(secret) || (isProduction && isSample(secret))) {
        problems.push(`${name}: ${STRONG_SECRET}`);
      }
    }
    if (masterKeys === undefined ? isProduction : parseMasterKeys(masterKeys) === null) {
      problems.push(
        'MASTER_KEYS: needs `version:key` with 32 random bytes each, for example `1:` and the output of `openssl rand -base64 32`',
      );
    }
    if (settings.jwtPreviousSecrets.some(isWeak)) problems.push(`JWT_PREVIOUS_SECRETS: each ${STRONG_SECRET}`);
    problems.push(...keyFileProblems(settings.jwtKeyFiles));
    if (isProduction && settings.bcryptCost < 10) problems.push('BCRYPT_COST: must be at least 10 in production');
    return problems;
  }
}

function keyFileProblems(paths: readonly string[]): string[] {
  return paths.flatMap((path, i) => {
    try {
      readKeyFile(path);
      return [];
    } catch (error) {
      return [`JWT_KEY_FILES: file ${i + 1} ${error instanceof Error ? error.message : String(error)}`];
    }
  });
}
