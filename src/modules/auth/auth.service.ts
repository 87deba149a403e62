import { createHash, randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { PasswordHasher } from '../../platform/crypto/password-hasher.js';
import { requireGoodPassword } from '../../platform/crypto/password-rules.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type IdempotencyKey, checkSameRequest } from '../../platform/idempotency/idempotency-key.js';
import { IdempotencyRepository } from '../../platform/idempotency/idempotency.repository.js';
import { Bulkhead } from '../../platform/load/bulkhead.js';
import type { Bucket } from '../../platform/rate-limit/rate-limiter.js';
import { CryptoConfig } from '../../platform/crypto/crypto.config.js';
import { DatabaseConfig } from '../../platform/database/database.config.js';
import { type Credentials, UserDirectory } from '../users/public/user-directory.js';
import { AccessTokens } from './access-tokens.js';
import type { ChangePasswordRequest, RegisterRequest, SignedIn } from './auth.dto.js';
import { EmailVerificationService } from './email-verification.service.js';
import { LoginThrottle } from './login-throttle.js';
import { type RefreshToken, RefreshTokens } from './refresh-token.js';
import type { SignIn } from './sign-in.entity.js';
import { SecondFactorCheck } from './second-factor-check.js';
import { SignInsRepository } from './sign-ins.repository.js';
import { SignInsService } from './sign-ins.service.js';
import { AuthConfig } from './public/auth.config.js';

/**
 * How long a client may repeat a refresh whose response got lost. Within this time it gets the same new token again; a
 * later replay counts as theft.
 */
const REFRESH_GRACE_MS = 10_000;

/**
 * Hashing takes about fifty times as long as the database queries of a sign-in, so one sign-in that queries the
 * database keeps several hashing threads busy.
 */
const THREADS_FOR_ONE_WHO_ASKS = 4;

/** The client that signs in. */
export interface Client {
  readonly userAgent: string | null;
  readonly address: string;
}

/** The reason for a refused sign-in. It is never sent to the client. */
type Refusal = 'wrong_password' | 'disabled' | 'not_verified';

@Injectable()
export class AuthService {
  private readonly log = new Logger(AuthService.name);
  private readonly refreshTokens: RefreshTokens;
  private readonly line: Bulkhead;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UserDirectory,
    private readonly signIns: SignInsRepository,
    private readonly passwords: PasswordHasher,
    private readonly accessTokens: AccessTokens,
    private readonly devices: SignInsService,
    private readonly keys: IdempotencyRepository,
    private readonly throttle: LoginThrottle,
    private readonly audit: AuditLog,
    private readonly secondFactor: SecondFactorCheck,
    private readonly verification: EmailVerificationService,
    private readonly clock: Clock,
    private readonly config: AuthConfig,
    private readonly database: DatabaseConfig,
    { workerThreads }: CryptoConfig,
    keyRing: KeyRing,
  ) {
    this.line = new Bulkhead(Math.ceil(workerThreads / THREADS_FOR_ONE_WHO_ASKS));
    this.refreshTokens = new RefreshTokens(keyRing.deriveAll('refresh-token'));
  }

  /**
   * Returns null where addresses must be verified: then the first sign-in follows the e-mail, and the response does not
   * reveal whether the account existed. Its owner learns of the attempt by e-mail. Without verification, throws
   * `email_taken` for an address in use.
   */
  async register(request: RegisterRequest, client: Client): Promise<SignedIn | null> {
    const { email, display_name: displayName = null } = request;
    requireGoodPassword('/password', request.password, email);
    const passwordHash = await this.passwords.hash(request.password);
    const id = newId();
    try {
      return await this.unitOfWork.run({ userId: id }, async () => {
        await this.users.add({ id, email, passwordHash, displayName });
        await this.audit.record({ userId: id }, 'account.registered');
        this.unitOfWork.afterCommit(() => void this.verification.post(id));
        return this.config.requireVerifiedEmail ? null : this.signIn(id, client);
      });
    } catch (error) {
      const isTaken = error instanceof AppError && error.code === 'email_taken';
      if (!isTaken || !this.config.requireVerifiedEmail) throw error;
      this.verification.postAccountExists(email);
      return null;
    }
  }

  /**
   * An unknown address, a wrong password and a disabled account take the same time and get the same response, because
   * the password of a disabled account may also be used elsewhere. An unverified address gets that response too;
   * otherwise registering and then signing in would reveal whether the address had an account. Its owner gets an
   * e-mail. Only a client with the right password learns that there is a second factor. `code` is for clients that send
   * both at once.
   */
  async login(email: string, password: string, code: string | undefined, client: Client): Promise<SignedIn> {
    const { credentials, paid } = await this.begin(email, client);
    let refusal: Refusal | null = null;
    try {
      refusal = await this.refusalOf(credentials, password);
    } finally {
      // The password was right, or the check itself failed.
      if (refusal === null) await this.throttle.giveBack(paid);
    }
    if (credentials === null) throw new AppError('invalid_credentials');
    if (refusal !== null) {
      this.recordRefusal(credentials.userId, refusal);
      if (refusal === 'not_verified') this.verification.post(credentials.userId);
      throw new AppError('invalid_credentials');
    }
    return this.finishLogin(credentials.userId, versionOf(credentials.passwordHash), code, client);
  }

  /** The second step of a sign-in; the first step returned the challenge. */
  async loginWithSecondFactor(challenge: string, code: string, client: Client): Promise<SignedIn> {
    const { userId, passwordVersion } = await this.secondFactor.read(challenge);
    return this.finishLogin(userId, passwordVersion, code, client);
  }

  /** Each token can be exchanged once. A token of an earlier generation is a replay, which ends the whole sign-in. */
  async refresh(text: string): Promise<SignedIn> {
    const token = this.refreshTokens.parse(text);
    if (token === null) throw new AppError('invalid_refresh_token');
    // Throw outside of the unit of work: inside, the error would roll back the revocation.
    const signedIn = await this.unitOfWork.run(token, () => this.exchange(token));
    if (signedIn === null) throw new AppError('invalid_refresh_token');
    return signedIn;
  }

  async logout(actor: Actor): Promise<void> {
    const { userId, signInId } = actor;
    if (signInId === null) return;
    await this.unitOfWork.run(actor, async () => {
      if (await this.devices.end(userId, signInId)) {
        await this.audit.record(actor, 'sign_in.ended', { subjectId: signInId });
      }
    });
  }

  /**
   * Ends every other sign-in of the user. Returns true when an earlier request with the same key has changed the
   * password already. Hashing comes before the transaction, so this method handles the idempotency key itself.
   */
  async changePassword(actor: Actor, request: ChangePasswordRequest, key: IdempotencyKey | null): Promise<boolean> {
    const kept = key === null ? null : await this.keys.findKept(actor.userId, key);
    if (key !== null && kept !== null) {
      checkSameRequest(kept, key);
      return true;
    }
    const account = await this.unitOfWork.run(actor, () => this.users.findAccount(actor.userId));
    const isRight = await this.passwords.verify(request.current_password, account?.passwordHash ?? null);
    if (account === null || !isRight) throw wrongPassword();
    requireGoodPassword('/new_password', request.new_password, account.email);
    const passwordHash = await this.passwords.hash(request.new_password);
    await this.unitOfWork.run(actor, async () => {
      if ((await this.users.lockPasswordHash(actor.userId)) !== account.passwordHash) throw wrongPassword();
      await this.users.setPasswordHash(actor.userId, passwordHash);
      await this.devices.endOthers(actor.userId, actor.signInId);
      if (key !== null) await this.keys.insert(actor.userId, key, { body: null });
      await this.audit.record(actor, 'account.password_changed');
    });
    return false;
  }

  /**
   * The database queries of a sign-in before its password is checked. Only a few sign-ins run them at a time: a burst
   * would take connections from every chat, only to wait for a hashing thread afterwards. The others wait here, at most
   * as long as for a connection.
   */
  private async begin(
    email: string,
    { address }: Client,
  ): Promise<{ credentials: Credentials | null; paid: Bucket[] }> {
    const leave = await this.line.enter(this.database.databaseConnectTimeoutMs);
    if (leave === null) throw new AppError('overloaded', { retryAfterSeconds: 2 });
    try {
      const credentials = await this.users.findCredentials(email);
      const paid = await this.throttle.pay({ email, address, userId: credentials?.userId ?? null });
      return { credentials, paid };
    } finally {
      leave();
    }
  }

  private async refusalOf(credentials: Credentials | null, password: string): Promise<Refusal | null> {
    const isRight = await this.passwords.verify(password, credentials?.passwordHash ?? null);
    if (credentials === null || !isRight) return 'wrong_password';
    if (credentials.isDisabled) return 'disabled';
    return this.config.requireVerifiedEmail && !credentials.isEmailVerified ? 'not_verified' : null;
  }

  /** @param passwordVersion version of the verified password */
  private async finishLogin(
    userId: string,
    passwordVersion: string,
    code: string | undefined,
    client: Client,
  ): Promise<SignedIn> {
    await this.secondFactor.require(userId, passwordVersion, code);
    return this.unitOfWork.run({ userId }, async () => {
      // A sign-in with the old password must not succeed after a password change has ended all other sign-ins.
      const passwordHash = await this.users.lockPasswordHash(userId);
      if (passwordHash === null || versionOf(passwordHash) !== passwordVersion) {
        throw new AppError('invalid_credentials');
      }
      return this.signIn(userId, client);
    });
  }

  private async exchange(token: RefreshToken): Promise<SignedIn | null> {
    const family = await this.signIns.find(token.userId, token.signInId);
    if (family === null || !this.refreshTokens.matches(token, family.seed)) return null;
    if (!(await this.users.isAdmitted(token.userId))) return null;
    const nowMs = this.clock.nowMs();
    const expiresAt = this.expiryOf(family.createdAt.getTime());
    const hasExpired = Math.min(family.expiresAt.getTime(), expiresAt.getTime()) <= nowMs;
    if (family.revokedAt !== null || hasExpired) return null;
    if (token.generation === family.generation && (await this.signIns.advance(family, expiresAt))) {
      return this.issue({ ...family, generation: family.generation + 1 });
    }
    // The token was used before, perhaps by a concurrent request: read the current state.
    const now = await this.signIns.find(token.userId, token.signInId);
    const isLostAnswer =
      now !== null &&
      now.revokedAt === null &&
      token.generation === now.generation - 1 &&
      now.lastUsedAt.getTime() > nowMs - REFRESH_GRACE_MS;
    if (isLostAnswer) return this.issue(now);
    await this.devices.end(token.userId, token.signInId);
    await this.audit.record({ userId: token.userId, is: 'anonymous' }, 'sign_in.refresh_reused', {
      subjectId: token.signInId,
    });
    return null;
  }

  /** Runs in the background: the response must not take longer for an address with an account. */
  private recordRefusal(userId: string, reason: Refusal): void {
    this.unitOfWork
      .run({ userId }, () => this.audit.record({ userId, is: 'anonymous' }, 'sign_in.failed', { reason }))
      .catch((error: unknown) => this.log.warn({ err: error }, 'A failed sign-in was not recorded'));
  }

  private async signIn(userId: string, { userAgent, address }: Client): Promise<SignedIn> {
    if (!(await this.users.isAdmitted(userId))) throw new AppError('invalid_credentials');
    const signIn = {
      userId,
      id: newId(),
      seed: randomBytes(32),
      userAgent,
      expiresAt: this.expiryOf(this.clock.nowMs()),
    };
    await this.signIns.insert(signIn);
    await this.throttle.remember(userId, address);
    await this.audit.record({ userId, signInId: signIn.id }, 'sign_in.created', { subjectId: signIn.id });
    return this.issue({ ...signIn, generation: 1 });
  }

  private async issue(signIn: Pick<SignIn, 'userId' | 'id' | 'seed' | 'generation'>): Promise<SignedIn> {
    const user = await this.users.get(signIn.userId);
    return {
      user,
      access_token: await this.accessTokens.issue(signIn.userId, signIn.id, user.email_verified),
      refresh_token: this.refreshTokens.issue(signIn),
      token_type: 'bearer',
      expires_in: this.accessTokens.ttlSeconds,
    };
  }

  /** Refreshing extends a sign-in, up to a maximum age. */
  private expiryOf(createdAtMs: number): Date {
    const { jwtRefreshTtlSeconds, signInMaxSeconds } = this.config;
    const idleMs = this.clock.nowMs() + jwtRefreshTtlSeconds * 1000;
    return new Date(Math.min(idleMs, createdAtMs + signInMaxSeconds * 1000));
  }
}

function wrongPassword(): AppError {
  return AppError.invalid('/current_password', 'is not the current password');
}

/** Identifies a password of an account without revealing anything about it. */
function versionOf(passwordHash: string): string {
  return createHash('sha256').update(passwordHash).digest('base64url').slice(0, 22);
}
