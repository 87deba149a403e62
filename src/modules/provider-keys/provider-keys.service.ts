import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { Envelope } from '../../platform/crypto/envelope.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { OutboundGuard } from '../../platform/outbound/outbound-guard.js';
import { ProjectAccess } from '../projects/public/project-access.js';
import type { SetProviderKeyRequest } from './provider-key.dto.js';
import type { ProviderKey } from './provider-key.entity.js';
import { ProviderKeysRepository } from './provider-keys.repository.js';
import { placeOf } from './public/project-providers.js';

/** A key must be this long before four of its characters are shown. */
const MIN_HINTED_LENGTH = 16;

@Injectable()
export class ProviderKeysService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly keys: ProviderKeysRepository,
    private readonly projects: ProjectAccess,
    private readonly envelope: Envelope,
    private readonly guard: OutboundGuard,
    private readonly audit: AuditLog,
  ) {}

  /** Looks the name up, so never in a unit of work. */
  async requireAddress({ provider, base_url: baseUrl = null }: SetProviderKeyRequest): Promise<void> {
    if (provider !== 'custom') {
      if (baseUrl !== null) throw AppError.invalid('/base_url', 'can be given for custom only');
      return;
    }
    if (baseUrl === null) throw AppError.invalid('/base_url', 'is needed for custom');
    const objection = await this.guard.objectionTo(baseUrl);
    if (objection !== null) throw AppError.invalid('/base_url', objection);
  }

  /** In place of the one there is. Its address has been through `requireAddress`. */
  set(actor: Actor, projectId: string, request: SetProviderKeyRequest): Promise<ProviderKey> {
    const { provider, api_key: apiKey } = request;
    const baseUrl = request.base_url ?? null;
    const { userId } = actor;
    const hint = apiKey.length < MIN_HINTED_LENGTH ? null : `…${apiKey.slice(-4)}`;
    return this.unitOfWork.run(actor, async () => {
      await this.projects.lock(actor, projectId);
      await this.keys.remove(userId, projectId);
      const id = newId();
      const sealedKey = await this.envelope.seal(userId, placeOf(id), apiKey);
      await this.keys.insert({ userId, projectId, id, provider, baseUrl, sealedKey, hint });
      const key = await this.require(actor, projectId);
      await this.audit.record(actor, 'provider_key.set', { subjectId: projectId, provider });
      return key;
    });
  }

  get(actor: Actor, projectId: string): Promise<ProviderKey> {
    return this.unitOfWork.run(actor, () => this.require(actor, projectId));
  }

  /** The project goes back to this server's providers; without a key there is nothing to do. */
  async remove(actor: Actor, projectId: string): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      await this.projects.lock(actor, projectId);
      if (!(await this.keys.remove(actor.userId, projectId))) return;
      await this.audit.record(actor, 'provider_key.removed', { subjectId: projectId });
    });
  }

  private async require({ userId }: Actor, projectId: string): Promise<ProviderKey> {
    const key = await this.keys.find(userId, projectId);
    if (key === null) throw new AppError('not_found');
    return key;
  }
}
