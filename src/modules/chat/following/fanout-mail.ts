/** Instances are named by their `TurnClaims.owner`. Kinds that an instance does not know are passed over. */
export type FanoutMail =
  /** To the instance that runs a turn: `reader` wants its text from there on. Repeated, so that readers who die are forgotten. */
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
  /** To a reader: the instance does not run the turn, or not any more. */
  | { readonly kind: 'end'; readonly messageId: string }
  /** To all: a turn that was expected elsewhere runs here. */
  | { readonly kind: 'running'; readonly messageId: string; readonly owner: string };

export interface TextMail {
  readonly kind: 'text';
  readonly messageId: string;
  readonly attempt: number;
  /** How many UTF-16 units of the attempt's text come before. */
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

/** Other versions write here too: what is not understood counts as not said. */
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
