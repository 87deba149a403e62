import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { bytea, statement, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { nameConstraints } from '../../platform/database/pg-errors.js';

// The parent vanished between the check and the write.
nameConstraints({ fk_sign_in_addresses_user_id: 'unauthenticated' });

/** How long an unused address is remembered. */
const KEEP_DAYS = 90;

const FIND = statement<object>()(
  'sign_in_addresses_find',
  { userId: uuid, hash: bytea },
  `select 1 from sign_in_addresses
       where user_id = :userId and address_hash = :hash and last_used_at > now() - interval '${KEEP_DAYS} days'`,
);

const INSERT = statement<object>()(
  'sign_in_addresses_insert',
  { userId: uuid, hash: bytea },
  `with old as (
         delete from sign_in_addresses where user_id = :userId and last_used_at < now() - interval '${KEEP_DAYS} days' and address_hash <> :hash
       )
       insert into sign_in_addresses (user_id, address_hash) values (:userId, :hash)
       on conflict on constraint pk_sign_in_addresses do update set last_used_at = now()`,
);

/** The addresses from which each user has signed in, stored as keyed hashes. */
@Injectable()
export class SignInAddressesRepository {
  private readonly key: Buffer;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    keys: KeyRing,
  ) {
    this.key = keys.derive('sign-in-address');
  }

  async isKnown(userId: string, address: string): Promise<boolean> {
    const rows = await this.unitOfWork.query(FIND({ userId, hash: this.hash(address) }));
    return rows.length > 0;
  }

  /** Remembers an address, and deletes addresses that were not used for a long time. */
  async insert(userId: string, address: string): Promise<void> {
    await this.unitOfWork.query(INSERT({ userId, hash: this.hash(address) }));
  }

  private hash(address: string): Buffer {
    return createHmac('sha256', this.key).update(address).digest();
  }
}
