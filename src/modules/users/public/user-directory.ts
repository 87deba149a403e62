import { Injectable } from '@nestjs/common';
import type { User } from '../user.entity.js';
import { type Credentials, UsersRepository } from '../users.repository.js';
import type { UserResponse } from './user.dto.js';

export type { Credentials };

/** The fields of a user for sign-in. Never show them to clients. */
export type Account = Pick<User, 'email' | 'passwordHash' | 'emailVerifiedAt'>;

/** The users and their credentials, for sign-in. All methods except `findCredentials` run in a unit of work. */
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

  /** The fields for checking a password or a token from an e-mail; null when the account is gone. */
  findAccount(userId: string): Promise<Account | null> {
    return this.users.find(userId);
  }

  /** False for a disabled or deleted account, which must not get tokens. */
  async isAdmitted(userId: string): Promise<boolean> {
    const user = await this.users.find(userId);
    return user !== null && user.disabledAt === null;
  }

  /**
   * Reads the password hash and locks it until the unit of work ends; null when the account is gone. Passwords are
   * verified before the unit of work, because that takes long, so the password may have changed meanwhile.
   */
  async lockPasswordHash(userId: string): Promise<string | null> {
    return (await this.users.findForUpdate(userId))?.passwordHash ?? null;
  }

  async setPasswordHash(userId: string, passwordHash: string): Promise<void> {
    await this.users.update(userId, { passwordHash });
  }

  /** Sets a new password and marks the address as verified. False when `oldHash` is no longer the current hash. */
  resetPassword(userId: string, oldHash: string, newHash: string): Promise<boolean> {
    return this.users.resetPassword(userId, oldHash, newHash);
  }

  /** False when the address was verified already. */
  verifyEmail(userId: string): Promise<boolean> {
    return this.users.verifyEmail(userId);
  }

  findCredentials(email: string): Promise<Credentials | null> {
    return this.users.findCredentials(email);
  }
}

/** The public fields of a user. A new column stays private until it is added here. */
export function presentUser(user: User): UserResponse {
  return {
    id: user.id,
    email: user.email,
    email_verified: user.emailVerifiedAt !== null,
    display_name: user.displayName,
    created_at: user.createdAt.toISOString(),
  };
}
