import type { Actor } from '../../kernel/actor.js';

/** The owner of a cached value: a user, or the server itself. */
export type Owner = Pick<Actor, 'userId'> | 'server';

/** Keys of different owners never collide, whatever the key contains, because ids contain no space. */
export function ownedKey(owner: Owner, key: string): string {
  return `${owner === 'server' ? owner : owner.userId} ${key}`;
}
