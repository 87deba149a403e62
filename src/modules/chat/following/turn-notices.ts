/**
 * Notifications between instances: `stop` asks the owner of a turn to stop it, `text` says that an owner has saved new
 * text, `end` says that an answer has settled, `free` says that an instance has released its turns.
 */
export type TurnNotice =
  | { readonly kind: 'stop' | 'text'; readonly owner: string }
  | { readonly kind: 'end'; readonly messageId: string }
  | { readonly kind: 'free' };

export function parseNotice(payload: string): TurnNotice | null {
  const [kind, subject] = payload.split(' ') as [string, string?];
  if ((kind === 'stop' || kind === 'text') && subject !== undefined) return { kind, owner: subject };
  if (kind === 'end' && subject !== undefined) return { kind, messageId: subject };
  return kind === 'free' ? { kind } : null;
}
