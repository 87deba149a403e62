import { Injectable } from '@nestjs/common';
import { AppError } from '../../../kernel/errors/app-error.js';
import { Clock } from '../../../kernel/clock.js';
import { AuditLog } from '../../../platform/audit/audit-log.js';
import { AuditRepository } from '../../../platform/audit/audit.repository.js';
import type { SystemScope } from '../../../platform/database/system-scope.js';
import type { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import type { User } from '../user.entity.js';
import { type AccountFilter, UsersRepository } from '../users.repository.js';

export type { AccountFilter };

/** What an admin sees of an account. */
export type AccountRow = Pick<User, 'id' | 'email' | 'role' | 'disabledAt' | 'createdAt'>;

/** What an admin has set for an account; null leaves it to the plan, and the plan to the server. */
export type AccountLimits = Pick<User, 'plan' | 'requestsPerMinute' | 'tokensPerMinute'>;

/** Who is an admin, and what admins see and do of accounts. Whether the asker is one is for the caller to see to, by `requireAdmin`. */
@Injectable()
export class UserAdministration {
  constructor(private readonly users: UsersRepository) {}

  /** In the user's own unit of work; throws `admin_required` for anybody who is not an admin at this moment. */
  async requireAdmin(userId: string): Promise<void> {
    const user = await this.users.find(userId);
    if (user?.role !== 'admin' || user.disabledAt !== null) throw new AppError('admin_required');
  }

  /** As `requireAdmin`, and no other admin changes accounts until this unit of work is over, not even this one's. */
  async requireOnlyAdmin(userId: string): Promise<void> {
    await this.users.lockAdministration();
    await this.requireAdmin(userId);
  }

  /** Newest first. */
  list(filter: AccountFilter, beforeId: string | null, limit: number): Promise<AccountRow[]> {
    return this.users.listAccounts(filter, beforeId, limit);
  }

  /** In a unit of work of that user; throws `not_found`. */
  async get(userId: string): Promise<AccountRow & AccountLimits> {
    const user = await this.users.find(userId);
    if (user === null) throw new AppError('not_found');
    return user;
  }

  /** In a unit of work of that user. */
  async setLimits(userId: string, limits: AccountLimits): Promise<void> {
    await this.users.update(userId, limits);
  }

  /** In a unit of work of that user. The time of disabling stays the first one. */
  async setDisabled(userId: string, isDisabled: boolean): Promise<void> {
    await this.users.setDisabled(userId, isDisabled);
  }
}

/**
 * Gives or takes the role of an admin, by the command line: nobody can do it over the network. Throws when no account has
 * the address.
 */
export async function setRoleByEmail(
  { unitOfWork, system }: { readonly unitOfWork: UnitOfWork; readonly system: SystemScope },
  email: string,
  role: 'user' | 'admin',
): Promise<void> {
  const users = new UsersRepository(unitOfWork, system);
  const audit = new AuditLog(unitOfWork, new AuditRepository(unitOfWork, system), new Clock());
  const account = await users.findCredentials(email.trim().toLowerCase());
  if (account === null) throw new Error('no account has this e-mail address');
  const { userId } = account;
  await unitOfWork.run({ userId }, async () => {
    await users.update(userId, { role });
    await audit.record({ userId, is: 'system' }, 'account.role_changed', { role });
  });
}
