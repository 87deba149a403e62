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

/**
 * The providers for which a project can have its own key. `custom` is any server with an OpenAI-compatible API, given
 * by its address.
 */
export const KEY_PROVIDERS = ['openai', 'openrouter', 'custom'] as const;
export type KeyProvider = (typeof KEY_PROVIDERS)[number];

/** A project's key as OPEN reads it, still encrypted. */
export interface StoredProviderKey {
  readonly id: string;
  readonly provider: KeyProvider;
  readonly baseUrl: string | null;
  /** Hexadecimal. */
  readonly sealedKey: string;
}

/** The provider settings of a project. */
export interface ProjectProvider {
  readonly provider: ProviderName | null;
  readonly providerKey: StoredProviderKey | null;
  /** Called in order when the provider cannot answer. */
  readonly fallbacks: readonly Fallback[];
}

type FirstProvider = Omit<ProjectProvider, 'fallbacks'>;

/**
 * The codes that replace a provider's errors when the key is the project's own: then its owner must act, not the
 * operator.
 */
const OF_PROJECT: Partial<Record<ErrorCode, ErrorCode>> = {
  provider_key_refused: 'project_key_refused',
  provider_credit_exhausted: 'project_credit_exhausted',
};

/** Chooses the provider of a project: the one of its own key, or else one of this server's, with the fallbacks. */
@Injectable()
export class ProjectProviders {
  constructor(
    private readonly providers: LlmProviders,
    private readonly envelope: Envelope,
    private readonly lists: ModelLists,
    private readonly windows: ModelWindows,
  ) {}

  /**
   * The first provider. Null when neither the project nor this server has a key for it. Needs no query while the user's
   * data key is cached. A call with the project's key sends none of this server's credentials.
   */
  async findFirst({ userId }: Pick<Actor, 'userId'>, project: FirstProvider): Promise<LlmProvider | null> {
    const { provider, providerKey } = project;
    if (providerKey === null) return this.providers.find(provider);
    const { id, provider: name, baseUrl, sealedKey } = providerKey;
    const apiKey = await this.envelope.decrypt(userId, placeOf(id), Buffer.from(sealedKey, 'hex'));
    return this.providers.withKey(id, name === 'openrouter' ? 'openrouter' : 'openai', apiKey, baseUrl);
  }

  /**
   * Adds the fallbacks, in order. The project's key is sent only to its own provider: fallbacks at other providers use
   * this server's key, and are left out when it has none.
   * @param first the result of `findFirst`
   * @param hasRoom whether a model with that window has room for the input; fallbacks without room are left out too
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

  /** The models that a project can use. Throws the error with which a turn would fail. */
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

  /** `LlmProviders.tellEnd` for a call of a project. `isOwnKey`: the call used the project's own key. */
  tellEnd(
    { providerKey }: ProjectProvider,
    { isOwnKey, ...call }: Omit<AskedCall, 'keyId'> & { isOwnKey: boolean },
    code: LlmErrorCode | null,
  ): void {
    this.providers.tellEnd({ ...call, keyId: isOwnKey ? (providerKey?.id ?? null) : null }, code);
  }

  /** The error code of a failed call for the user. `isOwnKey`: the call used the project's own key. */
  codeOf(isOwnKey: boolean, code: ErrorCode): ErrorCode {
    return isOwnKey ? (OF_PROJECT[code] ?? code) : code;
  }
}

/**
 * The provider whose model list may be used for a project: this server's provider, or OpenRouter, whose list is the
 * same for all users. Null for a user's own server, whose list must not be read here.
 */
export function listerOf({ providerKey }: ProjectProvider, provider: LlmProvider): LlmProvider | null {
  return providerKey === null || providerKey.provider === 'openrouter' ? provider : null;
}

/** The place to which the encryption of the key is bound. */
export function placeOf(id: string): SecretPlace {
  return { table: 'provider_keys', column: 'sealed_key', ids: [id] };
}
