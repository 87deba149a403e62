import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { Envelope } from '../../platform/crypto/envelope.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type FoundProject, ProjectAccess } from '../projects/public/project-access.js';
import { AddressCheck } from './address-check.js';
import type { SetProviderKeyRequest } from './provider-key.dto.js';
import type { ProviderKey } from './provider-key.entity.js';
import { ProviderKeysRepository } from './provider-keys.repository.js';
import type { LlmModelPage } from '../llm/public/llm-model.dto.js';
import { ModelLists } from '../llm/public/model-lists.js';
import { placeOf, ProjectProviders } from './public/project-providers.js';

/** The least length of a key for showing its last four characters. */
const MIN_HINTED_LENGTH = 16;

@Injectable()
export class ProviderKeysService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly keys: ProviderKeysRepository,
    private readonly projects: ProjectAccess,
    private readonly providers: ProjectProviders,
    private readonly models: ModelLists,
    private readonly envelope: Envelope,
    private readonly addresses: AddressCheck,
    private readonly audit: AuditLog,
  ) {}

  /** Does a DNS lookup, so never call it in a unit of work. */
  async requireAddress(actor: Actor, { provider, base_url: baseUrl = null }: SetProviderKeyRequest): Promise<void> {
    if (provider !== 'custom') {
      if (baseUrl !== null) throw AppError.invalid('/base_url', 'can be given for custom only');
      return;
    }
    if (baseUrl === null) throw AppError.invalid('/base_url', 'is needed for custom');
    await this.addresses.pass(actor, baseUrl);
  }

  /** Sets or replaces the key. Check its address with `requireAddress` first. */
  set(actor: Actor, projectId: string, request: SetProviderKeyRequest): Promise<ProviderKey> {
    const { provider, api_key: apiKey } = request;
    const baseUrl = request.base_url ?? null;
    const { userId } = actor;
    const hint = apiKey.length < MIN_HINTED_LENGTH ? null : `…${apiKey.slice(-4)}`;
    return this.unitOfWork.run(actor, async () => {
      await this.projects.lock(actor, projectId);
      await this.drop(actor, projectId);
      const id = newId();
      const sealedKey = await this.envelope.encrypt(userId, placeOf(id), apiKey);
      await this.keys.insert({ userId, projectId, id, provider, baseUrl, sealedKey, hint });
      const key = await this.keys.get(userId, projectId);
      await this.audit.record(actor, 'provider_key.set', { subjectId: projectId, provider });
      return key;
    });
  }

  get(actor: Actor, projectId: string): Promise<ProviderKey> {
    return this.unitOfWork.run(actor, () => this.keys.get(actor.userId, projectId));
  }

  /** Removes the key, so the project uses this server's providers again. Does nothing without a key. */
  async remove(actor: Actor, projectId: string): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      await this.projects.lock(actor, projectId);
      if (!(await this.drop(actor, projectId))) return;
      await this.audit.record(actor, 'provider_key.removed', { subjectId: projectId });
    });
  }

  /** The models of the project's own provider, or of this server's. */
  async listModels(actor: Actor, { id, provider }: FoundProject): Promise<LlmModelPage> {
    const key = await this.unitOfWork.run(actor, () => this.keys.find(actor.userId, id));
    const providerKey = key === null ? null : { ...key, sealedKey: key.sealedKey.toString('hex') };
    return this.providers.listModels(actor, { provider, providerKey });
  }

  /** Removes the key and its cached model list. False when there was none. */
  private async drop({ userId }: Actor, projectId: string): Promise<boolean> {
    const key = await this.keys.find(userId, projectId);
    if (key === null) return false;
    await this.models.forget({ userId }, key.id);
    return this.keys.remove(userId, projectId);
  }
}
