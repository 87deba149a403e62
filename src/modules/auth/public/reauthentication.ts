import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { PasswordHasher } from '../../../platform/crypto/password-hasher.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { UserDirectory } from '../../users/public/user-directory.js';
import { SecondFactorCheck } from '../second-factor-check.js';
import { SecondFactorsRepository } from '../second-factors.repository.js';

/** Checks again that the request comes from the user: a stolen token alone must not be enough. */
@Injectable()
export class Reauthentication {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UserDirectory,
    private readonly passwords: PasswordHasher,
    private readonly factors: SecondFactorsRepository,
    private readonly check: SecondFactorCheck,
  ) {}

  /**
   * Requires everything that a sign-in requires: the password and, if there is a second factor, a code, which is used
   * up. Call it outside of a unit of work. Throws `validation_failed` at `/password` or `/code`, `rate_limited`, and
   * `unauthenticated` for an account that is gone.
   */
  async require(actor: Actor, password: string, code: string | undefined): Promise<void> {
    await this.requirePassword(actor, password);
    const factor = await this.unitOfWork.run(actor, () => this.factors.find(actor.userId));
    if (factor?.confirmedAt == null) return;
    if (code === undefined) throw AppError.invalid('/code', 'is needed: the account has a second factor');
    await this.check.requireCode(actor, code);
  }

  /** Checks only the password. Returns the user's e-mail address. */
  async requirePassword(actor: Actor, password: string): Promise<string> {
    const account = await this.unitOfWork.run(actor, () => this.users.findAccount(actor.userId));
    if (account === null) throw new AppError('unauthenticated');
    const isRight = await this.check.limited(actor.userId, () => this.passwords.verify(password, account.passwordHash));
    if (!isRight) throw AppError.invalid('/password', 'is not the password of this account');
    return account.email;
  }
}
