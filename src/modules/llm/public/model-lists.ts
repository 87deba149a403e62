import { Injectable } from '@nestjs/common';
import { Cache } from '../../../platform/cache/cache.js';
import type { Owner } from '../../../platform/cache/owner.js';
import type { LlmModelPage } from './llm-model.dto.js';
import type { LlmModel } from './llm-provider.js';

/** Caches the model lists of providers for some minutes: they rarely change, and requesting one can take seconds. */
@Injectable()
export class ModelLists {
  constructor(private readonly cache: Cache) {}

  /**
   * @param owner of the provider key, because the list may depend on the key
   * @param key identifies provider and key among those of the owner
   * @param ask requests the list; its `LlmError` is passed to the caller
   */
  async get(owner: Owner, key: string, ask: () => Promise<readonly LlmModel[]>): Promise<LlmModelPage> {
    const models = await this.cache.get(owner, 'models', key, ask);
    return { data: models.map(({ id, contextWindow }) => ({ id, context_window: contextWindow })), next_cursor: null };
  }

  /** Drops the cached list of a key that is being removed. Call it in a unit of work. */
  forget(owner: Owner, key: string): Promise<void> {
    return this.cache.invalidate(owner, 'models', key);
  }
}
