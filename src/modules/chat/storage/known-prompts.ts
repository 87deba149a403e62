import { Injectable } from '@nestjs/common';
import { CacheCounts } from '../../../platform/cache/cache-counts.js';
import { TenantMemory } from '../../../platform/cache/tenant-memory.js';
import { Sweeps } from '../../../platform/jobs/sweeps.js';
import type { Tenant } from '../../../platform/database/pg-pool.js';
import type { ContextEntry } from '../turn.js';

/** The size of the cache, in UTF-16 units of text. */
const MAX_TEXT = 8 * 1024 * 1024;
const MAX_SESSIONS = 20_000;
const KEPT_MS = 600_000;

/** The prompts of a project, with a stamp by which the database checks whether they are still current. */
export interface PromptSet {
  readonly stamp: string;
  readonly prompts: readonly ContextEntry[];
}

/** The cached facts about the place of a turn. */
export interface KnownPlace {
  readonly projectId?: string | null;
  readonly sessionId?: string;
}

/**
 * A cache of prompts. Every turn sends the stamp of its cached prompts, and the statement that reads the context
 * returns the prompts if the stamp is not current. So outdated prompts are never used, on any instance, and the cache
 * needs no invalidation.
 */
@Injectable()
export class KnownPrompts {
  private readonly sets = new TenantMemory<PromptSet>({ maxSize: MAX_TEXT, ttlMs: KEPT_MS });
  /** Session → project. A session never moves to another project. */
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
   * Stores the current prompts of a place.
   * @param read the current prompts; null when the cached ones are current
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
