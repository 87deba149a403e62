import { Injectable } from '@nestjs/common';
import { LlmHealth, LlmModelPage } from './llm.dto.js';
import { LlmError } from './public/llm-error.js';
import { LlmProviders } from './public/llm-providers.js';
import { toAppError } from './public/to-app-error.js';

@Injectable()
export class LlmService {
  constructor(private readonly providers: LlmProviders) {}

  async listModels(): Promise<LlmModelPage> {
    try {
      const models = await this.providers.default.listModels();
      return {
        data: models.map(({ id, contextWindow }) => ({ id, context_window: contextWindow })),
        next_cursor: null,
      };
    } catch (error) {
      throw error instanceof LlmError ? toAppError(error) : error;
    }
  }

  async checkHealth(signal?: AbortSignal): Promise<LlmHealth> {
    const { defaultName, default: provider } = this.providers;
    const check = await provider.validateConnection(signal);
    return {
      provider: defaultName,
      model: provider.defaultModel,
      ok: check.ok,
      reason: check.ok ? null : check.reason,
    };
  }
}
