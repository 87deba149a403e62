import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { CryptoConfig } from '../../platform/crypto/crypto.config.js';
import { Envelope } from '../../platform/crypto/envelope.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { newRecoveryCodes, newSecret, otpauthUri, recoveryHash } from './one-time-codes.js';
import { Reauthentication } from './public/reauthentication.js';
import { SECRET_PLACE, SecondFactorCheck } from './second-factor-check.js';
import type { SecondFactor } from './second-factor.entity.js';
import { SecondFactorsRepository } from './second-factors.repository.js';
import { SignInsService } from './sign-ins.service.js';

/** Switches a user's second factor on and off. */
@Injectable()
export class SecondFactorService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly factors: SecondFactorsRepository,
    private readonly check: SecondFactorCheck,
    private readonly reauthentication: Reauthentication,
    private readonly devices: SignInsService,
    private readonly envelope: Envelope,
    private readonly audit: AuditLog,
    private readonly config: CryptoConfig,
  ) {}

  /** Null when there is none, or only an unconfirmed one. */
  async find(actor: Actor): Promise<SecondFactor | null> {
    const factor = await this.unitOfWork.run(actor, () => this.factors.find(actor.userId));
    return factor?.confirmedAt == null ? null : factor;
  }

  /** Makes a new secret on each call. Sign-ins require the factor only after it is confirmed. */
  async start(actor: Actor, password: string): Promise<{ secret: string; uri: string }> {
    const email = await this.reauthentication.requirePassword(actor, password);
    const secret = newSecret();
    await this.unitOfWork.run(actor, async () => {
      const sealed = await this.envelope.encrypt(actor.userId, SECRET_PLACE, secret);
      if (!(await this.factors.offer(actor.userId, sealed))) throw new AppError('second_factor_on');
    });
    return { secret, uri: otpauthUri(secret, this.config.jwtIssuer, email) };
  }

  /** Ends all other sign-ins. Returns the recovery codes, which cannot be shown again. */
  async confirm(actor: Actor, code: string): Promise<string[]> {
    const factor = await this.unitOfWork.run(actor, () => this.factors.find(actor.userId));
    if (factor === null) throw new AppError('second_factor_off');
    if (factor.confirmedAt !== null) throw new AppError('second_factor_on');
    await this.check.requireCode(actor, code);
    const codes = newRecoveryCodes();
    await this.unitOfWork.run(actor, async () => {
      if (!(await this.factors.confirm(factor, hashesOf(actor, codes)))) throw new AppError('second_factor_on');
      // The other sign-ins have not shown a second factor.
      await this.devices.endOthers(actor.userId, actor.signInId);
      await this.audit.record(actor, 'second_factor.enabled');
    });
    return codes;
  }

  /** Makes new recovery codes and invalidates the older ones. */
  async renewRecoveryCodes(actor: Actor, password: string, code: string): Promise<string[]> {
    await this.requireBoth(actor, password, code);
    const codes = newRecoveryCodes();
    await this.unitOfWork.run(actor, async () => {
      const isOn = await this.factors.replaceRecoveryCodes(actor.userId, hashesOf(actor, codes));
      if (!isOn) throw new AppError('second_factor_off');
      await this.audit.record(actor, 'second_factor.recovery_codes_renewed');
    });
    return codes;
  }

  /** Ends all other sign-ins. */
  async remove(actor: Actor, password: string, code: string): Promise<void> {
    await this.requireBoth(actor, password, code);
    await this.unitOfWork.run(actor, async () => {
      await this.factors.remove(actor.userId);
      await this.devices.endOthers(actor.userId, actor.signInId);
      await this.audit.record(actor, 'second_factor.disabled');
    });
  }

  private async requireBoth(actor: Actor, password: string, code: string): Promise<void> {
    if ((await this.find(actor)) === null) throw new AppError('second_factor_off');
    await this.reauthentication.require(actor, password, code);
  }
}

function hashesOf({ userId }: Actor, codes: readonly string[]): Buffer[] {
  return codes.map((code) => recoveryHash(userId, code));
}
