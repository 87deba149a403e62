/**
 * Messages between instances, which are named by their `TurnClaims.owner`. An instance ignores kinds that it does not
 * know.
 */
export type FanoutMail =
  /**
   * To the instance that runs a turn: `reader` wants its text from this position on. Sent repeatedly, so that the
   * instance can drop readers that have died.
   */
  | {
      readonly kind: 'follow';
      readonly messageId: string;
      readonly reader: string;
      readonly attempt: number;
      readonly offset: number;
    }
  | { readonly kind: 'leave'; readonly messageId: string; readonly reader: string }
  /** To a reader. */
  | TextMail
  /** To a reader: the instance does not run the turn, or no longer does. */
  | { readonly kind: 'end'; readonly messageId: string }
  /** To all instances: the turn now runs at `owner`. */
  | { readonly kind: 'running'; readonly messageId: string; readonly owner: string };

export interface TextMail {
  readonly kind: 'text';
  readonly messageId: string;
  readonly attempt: number;
  /** How many UTF-16 units of the attempt's text precede this text. */
  readonly offset: number;
  readonly text: string;
}

/** The fields that each kind needs. */
const FIELDS: Record<FanoutMail['kind'], Record<string, 'string' | 'number'>> = {
  follow: { messageId: 'string', reader: 'string', attempt: 'number', offset: 'number' },
  leave: { messageId: 'string', reader: 'string' },
  text: { messageId: 'string', attempt: 'number', offset: 'number', text: 'string' },
  end: { messageId: 'string' },
  running: { messageId: 'string', owner: 'string' },
};

export function writeMails(mails: readonly FanoutMail[]): string {
  return JSON.stringify(mails);
}

/** Messages of other versions of the server arrive here too. Ignores anything that it cannot parse. */
export function readMails(payload: string): FanoutMail[] {
  try {
    const mails: unknown = JSON.parse(payload);
    return Array.isArray(mails) ? mails.filter(isMail) : [];
  } catch {
    return [];
  }
}

function isMail(value: unknown): value is FanoutMail {
  if (typeof value !== 'object' || value === null) return false;
  const mail = value as Record<string, unknown>;
  if (typeof mail.kind !== 'string' || !Object.hasOwn(FIELDS, mail.kind)) return false;
  return Object.entries(FIELDS[mail.kind as FanoutMail['kind']]).every(([field, type]) =>
    type === 'number' ? Number.isSafeInteger(mail[field]) && (mail[field] as number) >= 0 : typeof mail[field] === type,
  );
}
