import { Global, Module } from '@nestjs/common';
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

@Global()
@Module({
  imports: [TypeOrmModule.forFeature([ContentKeyRow, DataKey])],
  providers: [
    ...[KeyRing, PasswordHasher, SigningKeys, SignedTokens],
    ...[MasterKeys, DataKeysRepository, DataKeyRotation, Envelope, ContentKeysRepository, ContentKeys],
  ],
  exports: [KeyRing, PasswordHasher, SigningKeys, SignedTokens, DataKeyRotation, Envelope, ContentKeys],
})
export class CryptoModule {}
