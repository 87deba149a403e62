import { Global, Module } from '@nestjs/common';
import { DataKeyRotation } from './data-key-rotation.js';
import { DataKeysRepository } from './data-keys.repository.js';
import { Envelope } from './envelope.js';
import { KeyRing } from './key-ring.js';
import { MasterKeys } from './master-keys.js';
import { PasswordHasher } from './password-hasher.js';

@Global()
@Module({
  providers: [KeyRing, PasswordHasher, MasterKeys, DataKeysRepository, DataKeyRotation, Envelope],
  exports: [KeyRing, PasswordHasher, DataKeyRotation, Envelope],
})
export class CryptoModule {}
