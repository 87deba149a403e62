import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { isId } from '../../kernel/ids.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { type AuditActor, AuditLog } from '../../platform/audit/audit-log.js';
import { Envelope } from '../../platform/crypto/envelope.js';
import { SignedTokens } from '../../platform/crypto/signed-tokens.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Bucket, RateLimiter } from '../../platform/rate-limit/rate-limiter.js';
import { bareCode, isAppCode, recoveryHash, stepOf } from './one-time-codes.js';
import type { SecondFactor } from './second-factor.entity.js';
import { SecondFactorsRepository } from './second-factors.repository.js';

/** The header type of challenges. A user with a second factor gets a challenge for the right password. */
const CHALLENGE_TYPE = 'second-factor+jwt';
const CHALLENGE_TTL_SECONDS = 300;

/** Five guesses at once, then one a minute: an attacker with the password needs years, the owner waits a minute. */
const GUESSES = { name: 'second-factor', limit: 5, windowSeconds: 300 };

/** The place of the secret, to which its encryption is bound. */
export const SECRET_PLACE = { table: 'second_factors', column: 'secret', ids: [] };

/** Checks the second factor. Each code works once. Guesses are limited per account and recorded in its audit log. */
@Injectable()
export class SecondFactorCheck {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly factors: SecondFactorsRepository,
    private readonly envelope: Envelope,
    private readonly tokens: SignedTokens,
    private readonly limiter: RateLimiter,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Call it after the password was verified. Returns when the user has no second factor or the code is right. Otherwise
   * throws `second_factor_required` with a challenge, or `invalid_second_factor`.
   */
  async require(userId: string, passwordVersion: string, code: string | undefined): Promise<void> {
    const factor = await this.unitOfWork.run({ userId }, () => this.factors.find(userId));
    if (factor === null || factor.confirmedAt === null) return;
    if (code === undefined) {
      const claims = { sub: userId, pwv: passwordVersion };
      const challenge = await this.tokens.sign(CHALLENGE_TYPE, claims, CHALLENGE_TTL_SECONDS);
      throw new AppError('second_factor_required', { extensions: { challenge } });
    }
    if (!(await this.spend({ userId, is: 'anonymous' }, code))) throw new AppError('invalid_second_factor');
  }

  /**
   * The user of a challenge and the version of the verified password. Throws `invalid_challenge` for an expired or
   * forged one.
   */
  async read(challenge: string): Promise<{ userId: string; passwordVersion: string }> {
    const claims = await this.tokens.verify(CHALLENGE_TYPE, challenge);
    if (claims === null || !isId(claims.sub) || typeof claims.pwv !== 'string') throw new AppError('invalid_challenge');
    return { userId: claims.sub, passwordVersion: claims.pwv };
  }

  /**
   * Runs a check of the signed-in user's password or code. Only a failed check counts towards the limit. Throws
   * `rate_limited`.
   */
  async limited(userId: string, isRight: () => Promise<boolean>): Promise<boolean> {
    const bucket: Bucket = { ...GUESSES, subject: userId };
    await this.limiter.take(bucket);
    const answer = await isRight();
    if (answer) await this.limiter.giveBack(bucket);
    return answer;
  }

  /** Whether this is a valid code of the app or a recovery code. A valid code is used up. */
  spend(actor: AuditActor, code: string): Promise<boolean> {
    const { userId } = actor;
    return this.limited(userId, () =>
      this.unitOfWork.run(actor, async () => {
        const factor = await this.factors.find(userId);
        const isRight = factor !== null && (await this.spendOf(factor, actor, bareCode(code)));
        if (!isRight) await this.audit.record(actor, 'second_factor.failed');
        return isRight;
      }),
    );
  }

  /** Like `spend`, for a signed-in user: a wrong code is a validation error of its field. */
  async requireCode(actor: Actor, code: string): Promise<void> {
    if (!(await this.spend(actor, code))) throw AppError.invalid('/code', 'is not right, or was used already');
  }

  private async spendOf(factor: SecondFactor, actor: AuditActor, bare: string): Promise<boolean> {
    const { userId } = factor;
    if (isAppCode(bare)) {
      const secret = await this.envelope.decrypt(userId, SECRET_PLACE, factor.secret);
      const step = stepOf(secret, bare, this.clock.nowMs());
      return step !== null && this.factors.spendStep(userId, step);
    }
    const left = await this.factors.spendRecoveryCode(userId, recoveryHash(userId, bare));
    if (left === null) return false;
    await this.audit.record(actor, 'second_factor.recovery_code_used', { left });
    return true;
  }
}
