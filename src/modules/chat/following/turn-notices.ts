/**
 * What instances tell each other of turns: `stop` to the owner of a turn that somebody wants stopped, `text` by an owner that has saved new
 * text, `end` of an answer that has settled, `free` when an instance has handed its turns back.
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
