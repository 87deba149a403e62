import { type AuditEvent, canonicalForm, GENESIS, hashOf } from './audit-chain.js';
import type { AuditRepository, WalkedEvent } from './audit.repository.js';

const BATCH = 1000;
const BEFORE_ALL = { userId: '00000000-0000-0000-0000-000000000000', seq: 0 };

/** A chain that was changed: its user, the first wrong event, and what is wrong. */
export interface BrokenChain {
  readonly userId: string;
  readonly seq: number;
  readonly fault: string;
}

export interface AuditVerdict {
  readonly chains: number;
  readonly events: number;
  readonly broken: readonly BrokenChain[];
}

/**
 * Reads the chains of all users in batches and recomputes the hash of each event. Events may be added meanwhile: each
 * event is compared with the head of the same moment.
 */
export async function verifyAudit(rows: Pick<AuditRepository, 'walk' | 'listEmptied'>): Promise<AuditVerdict> {
  const broken = new Map<string, BrokenChain>();
  const report = (userId: string, seq: number, fault: string | null): void => {
    if (fault !== null && !broken.has(userId)) broken.set(userId, { userId, seq, fault });
  };
  let [chains, events] = [0, 0];
  let last: WalkedEvent | null = null;
  for (let isMore = true; isMore;) {
    const batch: WalkedEvent[] = await rows.walk(last ?? BEFORE_ALL, BATCH);
    for (const event of batch) {
      const before: WalkedEvent | null = last?.userId === event.userId ? last : null;
      if (before === null) {
        chains += 1;
        if (last !== null) report(last.userId, last.seq + 1, faultOfEnd(last));
      }
      report(event.userId, event.seq, faultOf(event, before));
      last = event;
    }
    events += batch.length;
    isMore = batch.length === BATCH;
  }
  if (last !== null) report(last.userId, last.seq + 1, faultOfEnd(last));
  const emptied = await rows.listEmptied();
  for (const userId of emptied) report(userId, 1, 'all events are missing');
  return { chains: chains + emptied.length, events, broken: [...broken.values()] };
}

function faultOf(event: AuditEvent, before: AuditEvent | null): string | null {
  const seq = (before?.seq ?? 0) + 1;
  if (event.seq !== seq) return 'events before this one are missing';
  if (!event.previousHash.equals(before?.hash ?? GENESIS)) return 'the event does not follow the one before it';
  if (!event.hash.equals(hashOf(event.previousHash, event.seq, canonicalForm(event)))) return 'the event was changed';
  return null;
}

function faultOfEnd({ seq, hash, headSeq, headHash }: WalkedEvent): string | null {
  if (headSeq === null || headHash === null) return 'the end of the chain is unknown';
  if (headSeq !== seq) return `the chain has ${headSeq} events, but ends here`;
  return headHash.equals(hash) ? null : 'the chain ends with another hash';
}
