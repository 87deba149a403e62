import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { ProviderName } from '../../../kernel/provider-name.js';
import { Envelope, type SecretPlace } from '../../../platform/crypto/envelope.js';
import type { LlmProvider } from '../../llm/public/llm-provider.js';
import { LlmProviders } from '../../llm/public/llm-providers.js';

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
}

/** What a provider's error means when the key is the project's: its owner has to act, not the operator. */
const OF_PROJECT: Partial<Record<ErrorCode, ErrorCode>> = {
  provider_key_refused: 'project_key_refused',
  provider_credit_exhausted: 'project_credit_exhausted',
};

/** Which provider answers in a project: the one of its own key, else one of this server's. */
@Injectable()
export class ProjectProviders {
  constructor(
    private readonly providers: LlmProviders,
    private readonly envelope: Envelope,
  ) {}

  /**
   * Null when neither the project nor this server has a key for it. Costs no query while the user's data key is cached.
   * With a key of the project's nothing of this server's is sent along.
   */
  async find({ userId }: Pick<Actor, 'userId'>, project: ProjectProvider): Promise<LlmProvider | null> {
    const { provider, providerKey } = project;
    if (providerKey === null) return this.providers.find(provider);
    const { id, provider: name, baseUrl, sealedKey } = providerKey;
    const apiKey = await this.envelope.open(userId, placeOf(id), Buffer.from(sealedKey, 'hex'));
    return this.providers.withKey(name === 'openrouter' ? 'openrouter' : 'openai', apiKey, baseUrl);
  }

  /** The code of a failed call as the user should read it. */
  codeOf({ providerKey }: ProjectProvider, code: ErrorCode): ErrorCode {
    return providerKey === null ? code : (OF_PROJECT[code] ?? code);
  }
}

/** Where the key of that id is sealed for. */
export function placeOf(id: string): SecretPlace {
  return { table: 'provider_keys', column: 'sealed_key', ids: [id] };
}
