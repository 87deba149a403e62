import { Global, Logger, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { TokenCounter } from './token-counter.js';

@Global()
@Module({ providers: [TokenCounter], exports: [TokenCounter] })
export class TokensModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger('Tokens');
  private preload: NodeJS.Immediate | undefined;
  private loading: Promise<unknown> = Promise.resolve();

  constructor(private readonly tokens: TokenCounter) {}

  /** Loads the vocabulary, which takes a moment, after the start and before the first turn needs it. */
  onApplicationBootstrap(): void {
    this.preload = setImmediate(() => {
      this.loading = this.tokens
        .load()
        .catch((error: unknown) => this.log.warn({ err: error }, 'The tokenizer could not be loaded'));
    });
  }

  async onApplicationShutdown(): Promise<void> {
    clearImmediate(this.preload);
    await this.loading;
  }
}
