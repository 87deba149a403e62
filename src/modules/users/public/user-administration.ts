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

/** The account fields that admins see. */
export type AccountRow = Pick<User, 'id' | 'email' | 'role' | 'disabledAt' | 'createdAt'>;

/**
 * The limits that an admin set for an account. A null limit uses the plan's; a null plan uses the server's default
 * plan.
 */
export type AccountLimits = Pick<User, 'plan' | 'requestsPerMinute' | 'tokensPerMinute'>;

/** Checks the admin role, and reads and changes accounts for admins. The caller must call `requireAdmin` first. */
@Injectable()
export class UserAdministration {
  constructor(private readonly users: UsersRepository) {}

  /** Throws `admin_required` unless the user is an enabled admin now. Call it in a unit of work of that user. */
  async requireAdmin(userId: string): Promise<void> {
    const user = await this.users.find(userId);
    if (user?.role !== 'admin' || user.disabledAt !== null) throw new AppError('admin_required');
  }

  /** Like `requireAdmin`, and makes other calls of this method wait until this unit of work ends. */
  async requireOnlyAdmin(userId: string): Promise<void> {
    await this.users.lockAdministration();
    await this.requireAdmin(userId);
  }

  /** Newest first. */
  list(filter: AccountFilter, beforeId: string | null, limit: number): Promise<AccountRow[]> {
    return this.users.listAccounts(filter, beforeId, limit);
  }

  /** Throws `not_found`. Call it in a unit of work of that user. */
  async get(userId: string): Promise<AccountRow & AccountLimits> {
    const user = await this.users.find(userId);
    if (user === null) throw new AppError('not_found');
    return user;
  }

  /** Call it in a unit of work of that user. */
  async setLimits(userId: string, limits: AccountLimits): Promise<void> {
    await this.users.update(userId, limits);
  }

  /** Call it in a unit of work of that user. Disabling again keeps the first time. */
  async setDisabled(userId: string, isDisabled: boolean): Promise<void> {
    await this.users.setDisabled(userId, isDisabled);
  }
}

/**
 * Grants or revokes the admin role by the command line; the API cannot do it. Throws when no account has the address.
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
