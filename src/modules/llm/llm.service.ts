import { Injectable } from '@nestjs/common';
import { LlmHealth } from './llm.dto.js';
import { LlmError } from './public/llm-error.js';
import type { LlmModelPage } from './public/llm-model.dto.js';
import { LlmProviders } from './public/llm-providers.js';
import { ModelLists } from './public/model-lists.js';
import { toAppError } from './public/to-app-error.js';

@Injectable()
export class LlmService {
  constructor(
    private readonly providers: LlmProviders,
    private readonly lists: ModelLists,
  ) {}

  async listModels(): Promise<LlmModelPage> {
    try {
      const { defaultName, default: provider } = this.providers;
      return await this.lists.get('server', defaultName, () => provider.listModels());
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
