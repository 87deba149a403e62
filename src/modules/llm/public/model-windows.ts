import { Injectable, Logger } from '@nestjs/common';
import type { Encoding } from '../../../platform/tokens/vocabulary.js';
import { knownModel } from '../known-models.js';
import { LlmError } from './llm-error.js';
import type { LlmProvider } from './llm-provider.js';

/** The limits of a model in tokens, and its tokenizer. Null means unknown, never 0. */
export interface ModelWindow {
  /** For input and answer together. */
  readonly contextWindow: number | null;
  /** The longest answer it can give. */
  readonly maxOutputTokens: number | null;
  readonly encoding: Encoding | null;
}

interface List {
  windows: ReadonlyMap<string, number>;
  /** The time of the next read, on the clock of `performance.now()`. */
  dueAt: number;
}

const KEPT_MS = 3_600_000;
/** The pause after a failed read of a list. */
const RETRY_MS = 60_000;

/** The windows of models: a built-in list for OpenAI's models, the provider's list for others. */
@Injectable()
export class ModelWindows {
  private readonly log = new Logger(ModelWindows.name);
  private readonly lists = new Map<LlmProvider['name'], List>();

  /**
   * Never waits and never fails. A missing list is read in the background; until then the window is unknown.
   * @param lister the provider whose list has the model; null when no list may be requested
   */
  find(model: string, lister: LlmProvider | null): ModelWindow {
    const known = knownModel(model);
    if (known !== null) return known;
    const contextWindow = lister === null ? null : (this.listOf(lister).windows.get(model) ?? null);
    return { contextWindow, maxOutputTokens: null, encoding: null };
  }

  private listOf(lister: LlmProvider): List {
    const list = this.lists.get(lister.name) ?? { windows: new Map(), dueAt: 0 };
    this.lists.set(lister.name, list);
    const now = performance.now();
    if (now >= list.dueAt) {
      list.dueAt = now + KEPT_MS;
      void this.read(lister, list);
    }
    return list;
  }

  private async read(lister: LlmProvider, list: List): Promise<void> {
    try {
      const models = await lister.listModels();
      list.windows = new Map(
        models.flatMap(({ id, contextWindow }) => (contextWindow === null ? [] : [[id, contextWindow] as const])),
      );
    } catch (error) {
      list.dueAt = performance.now() + RETRY_MS;
      this.log.debug(
        { provider: lister.name, code: error instanceof LlmError ? error.code : null },
        'No list of models',
      );
    }
  }
}
