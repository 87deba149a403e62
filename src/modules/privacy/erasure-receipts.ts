import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { KeyRing } from '../../platform/crypto/key-ring.js';

/** The facts of an erasure, without anything that identifies the user. */
export interface ErasureFacts {
  readonly id: string;
  readonly erasedAt: Date;
  /** The number of deleted rows by table. */
  readonly counts: Readonly<Record<string, number>>;
  /** The number of the last event in the account's audit log, which is the erasure. */
  readonly auditSeq: number;
  readonly auditHash: Buffer;
}

export interface ErasureReceipt extends ErasureFacts {
  /** A keyed hash of the user's id. */
  readonly subject: Buffer;
  readonly signature: Buffer;
}

/** Signs receipts with a key of this server, and verifies them later. */
@Injectable()
export class ErasureReceipts {
  /** The current key and earlier ones, so receipts stay valid when the secret changes. */
  private readonly keys: readonly [Buffer, ...Buffer[]];

  constructor(keys: KeyRing) {
    this.keys = keys.deriveAll('erasure-receipt');
  }

  sign(userId: string, facts: ErasureFacts): ErasureReceipt {
    const [key] = this.keys;
    const unsigned = { ...facts, subject: hmac(key, `subject ${userId}`) };
    return { ...unsigned, signature: hmac(key, canonicalForm(unsigned)) };
  }

  /** Whether this server wrote exactly this receipt. */
  isAuthentic(receipt: ErasureReceipt): boolean {
    const form = canonicalForm(receipt);
    return this.keys.some((key) => isEqual(hmac(key, form), receipt.signature));
  }
}

/** The text that is signed. The number in it is the version of this format. */
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
