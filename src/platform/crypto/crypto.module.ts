import { Global, Module } from '@nestjs/common';
import { KeyRing } from './key-ring.js';
import { PasswordHasher } from './password-hasher.js';

@Global()
@Module({ providers: [KeyRing, PasswordHasher], exports: [KeyRing, PasswordHasher] })
export class CryptoModule {}
