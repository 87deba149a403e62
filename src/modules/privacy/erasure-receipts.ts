import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { KeyRing } from '../../platform/crypto/key-ring.js';

/** That an account was erased, in words that say of nobody who it was. */
export interface ErasureFacts {
  readonly id: string;
  readonly erasedAt: Date;
  /** How many rows of each table went. */
  readonly counts: Readonly<Record<string, number>>;
  /** The end of the account's audit log, whose last event is the erasure. */
  readonly auditSeq: number;
  readonly auditHash: Buffer;
}

export interface ErasureReceipt extends ErasureFacts {
  /** A keyed hash of the user's id. */
  readonly subject: Buffer;
  readonly signature: Buffer;
}

/** Writes receipts that only this server can have written, and tells later whether it has. */
@Injectable()
export class ErasureReceipts {
  /** The present key, and those before it: a receipt outlives a change of the secret. */
  private readonly keys: readonly [Buffer, ...Buffer[]];

  constructor(keys: KeyRing) {
    this.keys = keys.deriveAll('erasure-receipt');
  }

  sign(userId: string, facts: ErasureFacts): ErasureReceipt {
    const [key] = this.keys;
    const unsigned = { ...facts, subject: hmac(key, `subject ${userId}`) };
    return { ...unsigned, signature: hmac(key, canonicalForm(unsigned)) };
  }

  /** Whether this server wrote the receipt as it is. */
  isAuthentic(receipt: ErasureReceipt): boolean {
    const form = canonicalForm(receipt);
    return this.keys.some((key) => isEqual(hmac(key, form), receipt.signature));
  }
}

/** The one spelling that is signed; the number is the version of this form. */
function canonicalForm({
  id,
  erasedAt,
  subject,
  counts,
  auditSeq,
  auditHash,
}: Omit<ErasureReceipt, 'signature'>): string {
  const sorted = Object.keys(counts)
    .sort()
    .map((table) => [table, counts[table]]);
  return JSON.stringify([
    1,
    id,
    erasedAt.toISOString(),
    subject.toString('hex'),
    sorted,
    auditSeq,
    auditHash.toString('hex'),
  ]);
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const isEqual = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
