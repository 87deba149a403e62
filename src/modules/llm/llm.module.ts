import { Logger, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LlmController } from './llm.controller.js';
import { LlmService } from './llm.service.js';
import { LLM_PROVIDER } from './public/llm-provider.js';
import { LlmProviders } from './public/llm-providers.js';
import { ModelLists } from './public/model-lists.js';
import { ModelWindows } from './public/model-windows.js';

@Module({
  controllers: [LlmController],
  providers: [
    LlmProviders,
    ModelLists,
    LlmService,
    ModelWindows,
    {
      provide: LLM_PROVIDER,
      useFactory: (providers: LlmProviders) => providers.default,
      inject: [LlmProviders],
    },
  ],
  exports: [LlmProviders, ModelLists, ModelWindows, LLM_PROVIDER],
})
export class LlmModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Llm');
  private readonly stopping = new AbortController();
  private background: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly providers: LlmProviders,
    private readonly service: LlmService,
  ) {}

  /** The check must not delay or fail the start: a server without its provider still serves stored conversations. */
  onApplicationBootstrap(): void {
    this.background = this.reportConnection();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.background;
    await this.providers.close();
  }

  private async reportConnection(): Promise<void> {
    const { provider, model, ok, reason } = await this.service.checkHealth(this.stopping.signal);
    if (this.stopping.signal.aborted) return;
    if (provider === 'offline') {
      this.logger.warn('The provider is offline: answers are canned, no model is asked. LLM_PROVIDER chooses one.');
    } else if (ok) {
      this.logger.log(`${provider} is reachable and accepts our key; the default model is ${model}`);
    } else {
      this.logger.warn(`${provider} cannot be used at the moment: ${reason}`);
    }
  }
}
