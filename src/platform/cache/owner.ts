import type { Actor } from '../../kernel/actor.js';

/** Whose something is that is kept: a user's, or the server's own. */
export type Owner = Pick<Actor, 'userId'> | 'server';

/** Nothing of one owner is found under a key of another, whatever the key says: ids have no space. */
export function ownedKey(owner: Owner, key: string): string {
  return `${owner === 'server' ? owner : owner.userId} ${key}`;
}
