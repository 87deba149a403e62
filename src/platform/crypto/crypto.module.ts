import { Global, Module } from '@nestjs/common';
import { JwtModule, type JwtModuleOptions, JwtSecretRequestType } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ContentKeys } from './content-keys.js';
import { ContentKeysRepository } from './content-keys.repository.js';
import { DataKeyRotation } from './data-key-rotation.js';
import { DataKeysRepository } from './data-keys.repository.js';
import { Envelope } from './envelope.js';
import { KeyRing } from './key-ring.js';
import { MasterKeys } from './master-keys.js';
import { PasswordHasher } from './password-hasher.js';
import { SignedTokens } from './signed-tokens.js';
import { SigningKeys } from './signing-keys.js';
import { DataKey } from './data-key.entity.js';
import { ContentKeyRow } from './content-key-row.entity.js';
import { headerOf } from './token-header.js';

@Global()
@Module({
  imports: [
    TypeOrmModule.forFeature([ContentKeyRow, DataKey]),
    JwtModule.registerAsync({
      inject: [SigningKeys],
      // Key objects: jsonwebtoken converts a string secret on every call, which takes fifty times as long as the call itself.
      useFactory: (keys: SigningKeys): JwtModuleOptions => ({
        secretOrKeyProvider: (purpose, given) =>
          purpose === JwtSecretRequestType.SIGN ? keys.signer.sign : keys.get(headerOf(String(given))?.kid).verify,
      }),
    }),
  ],
  providers: [
    ...[KeyRing, PasswordHasher, SigningKeys, SignedTokens],
    ...[MasterKeys, DataKeysRepository, DataKeyRotation, Envelope, ContentKeysRepository, ContentKeys],
  ],
  exports: [KeyRing, PasswordHasher, SigningKeys, SignedTokens, DataKeyRotation, Envelope, ContentKeys],
})
export class CryptoModule {}
