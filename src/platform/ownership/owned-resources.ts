import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { TenantMemory } from '../cache/tenant-memory.js';

/** Finds a resource that the actor may see; null when there is none. Runs in a unit of work of its own. */
export type FindOwned = (actor: Actor, id: string) => Promise<object | null>;

const REMEMBERED = { maxSize: 20_000, ttlMs: 60_000 };

/** Who may see what a path names. The modules that own the resources say how they are found. */
@Injectable()
export class OwnedResources {
  private readonly finders = new Map<string, FindOwned>();
  private readonly found = new TenantMemory<string>(REMEMBERED);

  /**
   * For the module that owns the resources, once, when it is made.
   * @param name of the parameter in the path
   */
  register(name: string, find: FindOwned): void {
    this.finders.set(name, find);
  }

  /** What the path names, or null when the actor may not see it or it does not exist. One lookup. */
  async find(name: string, actor: Actor, id: string): Promise<object | null> {
    const find = this.finders.get(name);
    if (find === undefined) throw new Error(`no module says how ${name} is found`);
    const resource = await find(actor, id);
    if (resource !== null) this.found.set(actor, keyOf(actor, id), name);
    return resource;
  }

  /**
   * Whether `find` has found it within the last minute. Nothing changes hands, but it may have been deleted since: this is
   * for writes, which look at the row again under a lock.
   */
  wasFound(name: string, actor: Actor, id: string): boolean {
    return this.found.get(actor, keyOf(actor, id)) === name;
  }
}

/** An API key that is bound to a project sees less than its user. */
function keyOf({ projectId }: Actor, id: string): string {
  return `${projectId ?? ''} ${id}`;
}
