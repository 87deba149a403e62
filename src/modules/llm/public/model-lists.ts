import { Injectable } from '@nestjs/common';
import { Cache } from '../../../platform/cache/cache.js';
import type { Owner } from '../../../platform/cache/owner.js';
import type { LlmModelPage } from './llm-model.dto.js';
import type { LlmModel } from './llm-provider.js';

/** Which models providers offer, kept for some minutes: they change seldom, and asking can take seconds. */
@Injectable()
export class ModelLists {
  constructor(private readonly cache: Cache) {}

  /**
   * @param owner whose key the provider is asked with: the list may go by the key
   * @param key names provider and key among those of the owner
   * @param ask throws `LlmError`, which goes to the caller
   */
  async get(owner: Owner, key: string, ask: () => Promise<readonly LlmModel[]>): Promise<LlmModelPage> {
    const models = await this.cache.get(owner, 'models', key, ask);
    return { data: models.map(({ id, contextWindow }) => ({ id, context_window: contextWindow })), next_cursor: null };
  }

  /** In a unit of work, for a key that is taken away: what was learned with it goes too. */
  forget(owner: Owner, key: string): Promise<void> {
    return this.cache.invalidate(owner, 'models', key);
  }
}
