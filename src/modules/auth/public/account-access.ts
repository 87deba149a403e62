import { Injectable } from '@nestjs/common';
import { Revocations } from '../../../platform/revocations/revocations.js';
import { SignInsRepository } from '../sign-ins.repository.js';

/**
 * Blocks and unblocks a whole account. Both methods run in a unit of work of that user and take effect on every
 * instance within seconds.
 */
@Injectable()
export class AccountAccess {
  constructor(
    private readonly signIns: SignInsRepository,
    private readonly revocations: Revocations,
  ) {}

  /** Ends all sign-ins, and refuses all tokens and API keys of the user. */
  async close(userId: string): Promise<void> {
    await this.signIns.revokeOthers(userId, null);
    await this.revocations.revoke({ userId }, [userId]);
  }

  /** Unblocks the account. Sign-ins that were ended stay ended. */
  async open(userId: string): Promise<void> {
    await this.revocations.restore({ userId }, [userId]);
  }
}
