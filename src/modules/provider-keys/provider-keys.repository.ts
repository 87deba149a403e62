import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { ProviderKey } from './provider-key.entity.js';

@Injectable()
export class ProviderKeysRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  find(userId: string, projectId: string): Promise<ProviderKey | null> {
    return this.unitOfWork.repository(ProviderKey).findOneBy({ userId, projectId });
  }

  /** Throws `not_found`. */
  async get(userId: string, projectId: string): Promise<ProviderKey> {
    const key = await this.find(userId, projectId);
    if (key === null) throw new AppError('not_found');
    return key;
  }

  async insert(key: Omit<ProviderKey, 'createdAt'>): Promise<void> {
    await this.unitOfWork.repository(ProviderKey).insert(key);
  }

  /** False when there was none. */
  async remove(userId: string, projectId: string): Promise<boolean> {
    const { affected } = await this.unitOfWork.repository(ProviderKey).delete({ userId, projectId });
    return affected === 1;
  }
}
