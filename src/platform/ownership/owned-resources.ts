import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { TenantMemory } from '../cache/tenant-memory.js';

/** Finds a resource that the actor may see; null if there is none. Runs in its own unit of work. */
export type FindOwned = (actor: Actor, id: string) => Promise<object | null>;

const REMEMBERED = { maxSize: 20_000, ttlMs: 60_000 };

/** Finds what a path names, if the actor may see it. The modules that own the resources register how. */
@Injectable()
export class OwnedResources {
  private readonly finders = new Map<string, FindOwned>();
  private readonly found = new TenantMemory<string>(REMEMBERED);

  /**
   * Called once by the module that owns the resources, when it is created.
   * @param name of the path parameter
   */
  register(name: string, find: FindOwned): void {
    this.finders.set(name, find);
  }

  /** The resource that the path names, or null if it does not exist or the actor may not see it. One lookup. */
  async find(name: string, actor: Actor, id: string): Promise<object | null> {
    const find = this.finders.get(name);
    if (find === undefined) throw new Error(`no module says how ${name} is found`);
    const resource = await find(actor, id);
    if (resource !== null) this.found.set(actor, keyOf(actor, id), name);
    return resource;
  }

  /**
   * Whether `find` found it within the last minute. Owners never change, but it may have been deleted since, so this is only
   * for writes, which read the row again under a lock.
   */
  wasFound(name: string, actor: Actor, id: string): boolean {
    return this.found.get(actor, keyOf(actor, id)) === name;
  }
}

/** An API key that is bound to a project sees less than its user. */
function keyOf({ projectId }: Actor, id: string): string {
  return `${projectId ?? ''} ${id}`;
}
