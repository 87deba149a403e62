import { Injectable } from '@nestjs/common';
import type { User } from '../user.entity.js';
import { type Credentials, UsersRepository } from '../users.repository.js';
import type { UserResponse } from './user.dto.js';

export type { Credentials };

/** The part of a user that sign-in works with; never to be shown. */
export type Account = Pick<User, 'email' | 'passwordHash' | 'emailVerifiedAt'>;

/** Who exists, and by what secret: what sign-in needs to know of users. All but `findCredentials` run in a unit of work. */
@Injectable()
export class UserDirectory {
  constructor(private readonly users: UsersRepository) {}

  /** Throws `email_taken`. */
  async add(user: {
    id: string;
    email: string;
    passwordHash: string;
    displayName: string | null;
  }): Promise<UserResponse> {
    await this.users.insert(user);
    return this.get(user.id);
  }

  async get(userId: string): Promise<UserResponse> {
    const user = await this.users.find(userId);
    if (user === null) throw new Error('the user vanished inside a transaction');
    return presentUser(user);
  }

  /** What a password or a token from a mail is checked against; null when the account is gone. */
  findAccount(userId: string): Promise<Account | null> {
    return this.users.find(userId);
  }

  /** Nobody gets tokens of a disabled account, nor of one that is gone. */
  async isAdmitted(userId: string): Promise<boolean> {
    const user = await this.users.find(userId);
    return user !== null && user.disabledAt === null;
  }

  /**
   * The hash as it is and stays until the end of the unit of work; null when the account is gone. A password is verified
   * before, as that takes long, and may have been changed since.
   */
  async lockPasswordHash(userId: string): Promise<string | null> {
    return (await this.users.findForUpdate(userId))?.passwordHash ?? null;
  }

  async setPasswordHash(userId: string, passwordHash: string): Promise<void> {
    await this.users.update(userId, { passwordHash });
  }

  /** Puts a new password in place of the one the token was made for, and with it the address is verified; false when that one is gone. */
  resetPassword(userId: string, oldHash: string, newHash: string): Promise<boolean> {
    return this.users.resetPassword(userId, oldHash, newHash);
  }

  /** False when the address was verified before. */
  verifyEmail(userId: string): Promise<boolean> {
    return this.users.verifyEmail(userId);
  }

  findCredentials(email: string): Promise<Credentials | null> {
    return this.users.findCredentials(email);
  }
}

/** What the API shows of a user; a new column stays private until somebody names it here. */
export function presentUser(user: User): UserResponse {
  return {
    id: user.id,
    email: user.email,
    email_verified: user.emailVerifiedAt !== null,
    display_name: user.displayName,
    created_at: user.createdAt.toISOString(),
  };
}
