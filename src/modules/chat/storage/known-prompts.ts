import { Injectable } from '@nestjs/common';
import { CacheCounts } from '../../../platform/cache/cache-counts.js';
import { TenantMemory } from '../../../platform/cache/tenant-memory.js';
import { Sweeps } from '../../../platform/jobs/sweeps.js';
import type { Tenant } from '../../../platform/database/pg-pool.js';
import type { ContextEntry } from '../turn.js';

/** What there is room for, in UTF-16 units of text. */
const MAX_TEXT = 8 * 1024 * 1024;
const MAX_SESSIONS = 20_000;
const KEPT_MS = 600_000;

/** The prompts of a project at one moment, and the stamp by which the database tells whether they are still the same. */
export interface PromptSet {
  readonly stamp: string;
  readonly prompts: readonly ContextEntry[];
}

/** What is known of where a turn takes place before the database is asked. */
export interface KnownPlace {
  readonly projectId?: string | null;
  readonly sessionId?: string;
}

/**
 * Prompts that this instance has read lately. They are a hint and nothing more: their stamp goes along with every turn, and
 * the statement that reads the context brings the prompts unless it is the stamp of those that hold now. So a set that
 * has changed is never used, here or elsewhere, and nobody has to be told of a change.
 */
@Injectable()
export class KnownPrompts {
  private readonly sets = new TenantMemory<PromptSet>({ maxSize: MAX_TEXT, ttlMs: KEPT_MS });
  /** Session → project; no session ever moves to another one. */
  private readonly projects = new TenantMemory<string>({ maxSize: MAX_SESSIONS, ttlMs: KEPT_MS });

  constructor(
    private readonly counts: CacheCounts,
    sweeps: Sweeps,
  ) {
    sweeps.every(KEPT_MS, 'Old prompts were not forgotten', async () => {
      this.sets.purge();
      this.projects.purge();
    });
  }

  find(tenant: Tenant, { projectId, sessionId }: KnownPlace): PromptSet | null {
    const project =
      projectId ?? tenant.projectId ?? (sessionId === undefined ? undefined : this.projects.get(tenant, sessionId));
    return project === undefined ? null : (this.sets.get(tenant, project) ?? null);
  }

  /**
   * Keeps what the database has said of the prompts of a place.
   * @param read the prompts that hold now; null when those that were known do
   */
  remember(
    tenant: Tenant,
    place: { readonly projectId: string; readonly sessionId: string },
    read: PromptSet | null,
  ): void {
    this.counts.count('prompts', read === null ? 'hit' : 'miss');
    this.projects.set(tenant, place.sessionId, place.projectId);
    if (read !== null) this.sets.set(tenant, place.projectId, read, sizeOf(read));
  }
}

function sizeOf({ prompts }: PromptSet): number {
  return prompts.reduce((sum, { message }) => sum + message.content.length, 1);
}
