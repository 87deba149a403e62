import { Global, Module } from '@nestjs/common';
import { TokenCounter } from './token-counter.js';

@Global()
@Module({ providers: [TokenCounter], exports: [TokenCounter] })
export class TokensModule {}
