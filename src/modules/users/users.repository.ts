import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { SystemScope } from '../../platform/database/system-scope.js';
import { boolean, int, nullable, statement, text, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { User } from './user.entity.js';
import { nameConstraints } from '../../platform/database/pg-errors.js';

nameConstraints({ uq_users_email: 'email_taken' });

export interface Credentials {
  readonly userId: string;
  readonly passwordHash: string;
  readonly isDisabled: boolean;
  readonly isEmailVerified: boolean;
}

/** The account fields in the list of admins. */
export type Account = Pick<User, 'id' | 'email' | 'role' | 'disabledAt' | 'createdAt'>;

/** The filter of an admin's account list. */
export interface AccountFilter {
  readonly emailPrefix: string | null;
  readonly isDisabled: boolean | null;
}

type UserChanges = Partial<
  Pick<User, 'displayName' | 'passwordHash' | 'role' | 'plan' | 'requestsPerMinute' | 'tokensPerMinute'>
>;

/** An arbitrary number, unique among all advisory locks (test/architecture/advisory-locks.spec.ts checks it). */
const ADMINISTRATION_LOCK = 7_220_193_413;

const FIND_CREDENTIALS = statement<Credentials>()(
  'users_find_credentials',
  { email: text },
  `
select id as "userId", password_hash as "passwordHash", disabled_at is not null as "isDisabled",
  email_verified_at is not null as "isEmailVerified"
from users where email = :email`,
);

const LOCK_ADMINISTRATION = statement<object>()(
  'users_lock_administration',
  { lock: int },
  'select pg_advisory_xact_lock(:lock)',
);

const SET_DISABLED = statement<object>()(
  'users_set_disabled',
  { userId: uuid, isDisabled: boolean },
  'update users set disabled_at = case when :isDisabled then coalesce(disabled_at, now()) end where id = :userId',
);

const LIST_ACCOUNTS = statement<Account>()(
  'users_list_accounts',
  { emailPattern: nullable(text), isDisabled: nullable(boolean), beforeId: nullable(uuid), limit: int },
  `
select id, email, role, disabled_at as "disabledAt", created_at as "createdAt" from users
where (:emailPattern::text is null or email like :emailPattern) and (:isDisabled::boolean is null or (disabled_at is not null) = :isDisabled)
  and (:beforeId::uuid is null or id < :beforeId)
order by id desc limit :limit`,
);

@Injectable()
export class UsersRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  find(userId: string): Promise<User | null> {
    return this.unitOfWork.repository(User).findOneBy({ id: userId });
  }

  /** Like `find`, and locks the row against changes until the unit of work ends. */
  findForUpdate(userId: string): Promise<User | null> {
    return this.unitOfWork.repository(User).findOne({ where: { id: userId }, lock: { mode: 'for_no_key_update' } });
  }

  async insert(user: Pick<User, 'id' | 'email' | 'passwordHash' | 'displayName'>): Promise<void> {
    await this.unitOfWork.repository(User).insert(user);
  }

  async update(userId: string, changes: UserChanges): Promise<void> {
    if (Object.keys(changes).length > 0) await this.unitOfWork.repository(User).update({ id: userId }, changes);
  }

  /** Sets a new password and marks the address as verified. False when `oldHash` is no longer the current hash. */
  async resetPassword(userId: string, oldHash: string, newHash: string): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(User)
      .update(
        { id: userId, passwordHash: oldHash },
        { passwordHash: newHash, emailVerifiedAt: () => 'coalesce(email_verified_at, now())' },
      );
    return affected === 1;
  }

  /** False when it was verified already. */
  async verifyEmail(userId: string): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(User)
      .update({ id: userId, emailVerifiedAt: IsNull() }, { emailVerifiedAt: () => 'now()' });
    return affected === 1;
  }

  /** Runs as the system role, because there is no tenant before sign-in. */
  async findCredentials(email: string): Promise<Credentials | null> {
    const { rows } = await this.system.query('sign-in by e-mail', FIND_CREDENTIALS({ email }));
    return rows[0] ?? null;
  }

  /** Serialises account changes of admins until the unit of work ends, because two admins could disable each other. */
  async lockAdministration(): Promise<void> {
    await this.unitOfWork.query(LOCK_ADMINISTRATION({ lock: ADMINISTRATION_LOCK }));
  }

  async setDisabled(userId: string, isDisabled: boolean): Promise<void> {
    await this.unitOfWork.query(SET_DISABLED({ userId, isDisabled }));
  }

  /** Accounts of all users, newest first, for admins. */
  async listAccounts(
    { emailPrefix, isDisabled }: AccountFilter,
    beforeId: string | null,
    limit: number,
  ): Promise<Account[]> {
    const emailPattern = emailPrefix === null ? null : `${emailPrefix.replaceAll(/[\\%_]/g, '\\$&')}%`;
    const accounts = LIST_ACCOUNTS({ emailPattern, isDisabled, beforeId, limit });
    return (await this.system.query('admins look for accounts', accounts)).rows;
  }
}
