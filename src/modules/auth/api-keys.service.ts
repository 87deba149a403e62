import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Revocations } from '../../platform/revocations/revocations.js';
import { ApiKeys } from './api-key.js';
import type { CreateApiKeyRequest } from './api-key.dto.js';
import type { ApiKey } from './api-key.entity.js';
import { ApiKeysRepository } from './api-keys.repository.js';

@Injectable()
export class ApiKeysService {
  private readonly secrets: ApiKeys;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly keys: ApiKeysRepository,
    private readonly revocations: Revocations,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    keyRing: KeyRing,
  ) {
    this.secrets = new ApiKeys(keyRing.passwordPepper);
  }

  /** Only this result contains the key itself. Throws `not_found` for a project of another user. */
  async create(actor: Actor, request: CreateApiKeyRequest): Promise<{ row: ApiKey; key: string }> {
    const expiresAt = request.expires_at == null ? null : new Date(request.expires_at);
    // An impossible date gives NaN, for which every comparison is false.
    if (expiresAt !== null && !(expiresAt.getTime() > this.clock.nowMs())) {
      throw AppError.invalid('/expires_at', 'must be a time in the future');
    }
    const { key, hash, prefix } = this.secrets.make();
    const id = newId();
    return this.unitOfWork.run(actor, async () => {
      await this.keys.insert({
        userId: actor.userId,
        id,
        name: request.name,
        prefix,
        keyHash: hash,
        scopes: request.scopes,
        projectId: request.project_id ?? null,
        expiresAt,
        requestsPerMinute: request.requests_per_minute ?? null,
        tokensPerMinute: request.tokens_per_minute ?? null,
      });
      const row = (await this.keys.find(actor.userId, id)) as ApiKey;
      await this.audit.record(actor, 'api_key.created', { subjectId: id, scopes: request.scopes });
      return { row, key };
    });
  }

  /** Newest first. Reads one row more than `limit` when there is a next page. */
  list(actor: Actor, beforeId: string | null, limit: number): Promise<ApiKey[]> {
    return this.unitOfWork.run(actor, () => this.keys.list(actor.userId, beforeId, limit + 1));
  }

  async remove(actor: Actor, id: string): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      if (!(await this.keys.remove(actor.userId, id))) throw new AppError('not_found');
      await this.revocations.revoke(actor, [id]);
      await this.audit.record(actor, 'api_key.revoked', { subjectId: id });
    });
  }
}
