import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { ProviderName } from '../../../kernel/provider-name.js';
import { Envelope, type SecretPlace } from '../../../platform/crypto/envelope.js';
import { LlmError, type LlmErrorCode } from '../../llm/public/llm-error.js';
import type { LlmModelPage } from '../../llm/public/llm-model.dto.js';
import type { LlmModel, LlmProvider } from '../../llm/public/llm-provider.js';
import { type AskedCall, LlmProviders } from '../../llm/public/llm-providers.js';
import { ModelLists } from '../../llm/public/model-lists.js';
import { type ModelWindow, ModelWindows } from '../../llm/public/model-windows.js';
import type { Fallback } from '../../projects/public/fallback.dto.js';

/** What a project may bring a key for; `custom` is any server that speaks OpenAI's wire, by its address. */
export const KEY_PROVIDERS = ['openai', 'openrouter', 'custom'] as const;
export type KeyProvider = (typeof KEY_PROVIDERS)[number];

/** A project's key as OPEN reads it: still in its envelope. */
export interface StoredProviderKey {
  readonly id: string;
  readonly provider: KeyProvider;
  readonly baseUrl: string | null;
  /** Hexadecimal. */
  readonly sealedKey: string;
}

/** What a project says of its provider. */
export interface ProjectProvider {
  readonly provider: ProviderName | null;
  readonly providerKey: StoredProviderKey | null;
  /** Who is asked when that one can not answer, in order. */
  readonly fallbacks: readonly Fallback[];
}

type FirstProvider = Omit<ProjectProvider, 'fallbacks'>;

/** What a provider's error means when the key is the project's: its owner has to act, not the operator. */
const OF_PROJECT: Partial<Record<ErrorCode, ErrorCode>> = {
  provider_key_refused: 'project_key_refused',
  provider_credit_exhausted: 'project_credit_exhausted',
};

/** Which provider answers in a project: the one of its own key, else one of this server's; and who stands in for it. */
@Injectable()
export class ProjectProviders {
  constructor(
    private readonly providers: LlmProviders,
    private readonly envelope: Envelope,
    private readonly lists: ModelLists,
    private readonly windows: ModelWindows,
  ) {}

  /**
   * Who is asked first. Null when neither the project nor this server has a key for it. Costs no query while the user's data
   * key is cached. With a key of the project's nothing of this server's is sent along.
   */
  async findFirst({ userId }: Pick<Actor, 'userId'>, project: FirstProvider): Promise<LlmProvider | null> {
    const { provider, providerKey } = project;
    if (providerKey === null) return this.providers.find(provider);
    const { id, provider: name, baseUrl, sealedKey } = providerKey;
    const apiKey = await this.envelope.decrypt(userId, placeOf(id), Buffer.from(sealedKey, 'hex'));
    return this.providers.withKey(id, name === 'openrouter' ? 'openrouter' : 'openai', apiKey, baseUrl);
  }

  /**
   * The same with those behind it who stand in, in order. The project's key goes to its own provider alone: fallbacks at
   * another one are asked by this server's key, and left out when it has none.
   * @param first of `findFirst`
   * @param hasRoom whether a model with that window can take what is to be sent; others are left out as well
   */
  withFallbacks(first: LlmProvider, project: ProjectProvider, hasRoom: (window: ModelWindow) => boolean): LlmProvider {
    const { fallbacks, providerKey } = project;
    if (fallbacks.length === 0) return first;
    const targets = fallbacks.flatMap(({ provider: name, model = null }) => {
      const isOwn = name === providerKey?.provider;
      const provider = isOwn ? first : this.providers.find(name);
      if (provider === null) return [];
      const window = this.windows.find(model ?? provider.defaultModel, isOwn ? listerOf(project, first) : provider);
      return hasRoom(window) ? [{ provider, model }] : [];
    });
    return this.providers.withFallbacks(first, targets);
  }

  /** The models that a project may name. Throws what a turn of it would fail with. */
  async listModels(actor: Pick<Actor, 'userId'>, project: FirstProvider): Promise<LlmModelPage> {
    const { provider, providerKey } = project;
    const ask = async (): Promise<readonly LlmModel[]> => {
      const asked = await this.findFirst(actor, project);
      if (asked === null) throw new AppError('provider_not_configured');
      return asked.listModels();
    };
    try {
      return await (providerKey === null
        ? this.lists.get('server', provider ?? this.providers.defaultName, ask)
        : this.lists.get(actor, providerKey.id, ask));
    } catch (error) {
      if (!(error instanceof LlmError)) throw error;
      throw new AppError(this.codeOf(providerKey !== null, error.code), { cause: error });
    }
  }

  /** `LlmProviders.tellEnd` of a call in a project; `isOwnKey`: it was made by the project's own key. */
  tellEnd(
    { providerKey }: ProjectProvider,
    { isOwnKey, ...call }: Omit<AskedCall, 'keyId'> & { isOwnKey: boolean },
    code: LlmErrorCode | null,
  ): void {
    this.providers.tellEnd({ ...call, keyId: isOwnKey ? (providerKey?.id ?? null) : null }, code);
  }

  /** The code of a failed call as the user should read it; `isOwnKey`: it was made by the project's own key. */
  codeOf(isOwnKey: boolean, code: ErrorCode): ErrorCode {
    return isOwnKey ? (OF_PROJECT[code] ?? code) : code;
  }
}

/**
 * Whose list of models may be asked for those of a project: this server's provider, or OpenRouter's, which is the same for
 * everybody. Null: the list of a user's own server is not ours to read.
 */
export function listerOf({ providerKey }: ProjectProvider, provider: LlmProvider): LlmProvider | null {
  return providerKey === null || providerKey.provider === 'openrouter' ? provider : null;
}

/** Where the key of that id is sealed for. */
export function placeOf(id: string): SecretPlace {
  return { table: 'provider_keys', column: 'sealed_key', ids: [id] };
}
