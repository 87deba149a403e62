import type { LiveTurn, Position } from './live-turn.js';
import type { FanoutMail, TextMail } from './fanout-mail.js';

/** How long a reader counts who does not say again that it reads, in milliseconds. */
export const READER_MS = 30_000;
/** The most text of one turn, and of all, that goes out at once, in UTF-16 units; the rest goes next. */
const PIECE_LENGTH = 32 * 1024;
const LOAD_LENGTH = 512 * 1024;

interface Reader {
  /** The end of what has been sent to it. */
  sent: Position;
  until: number;
}

/** A piece of text on its way to one reader. */
export interface Piece {
  readonly to: string;
  readonly mail: TextMail;
  readonly reader: Reader;
}

/**
 * The turns that run here, and which other instances read them. A turn that nobody reads costs nothing; of one that is
 * read, each reader's position is kept and not its text, so a Redis that is slow or away makes nothing grow.
 */
export class PublishedTurns {
  private readonly turns = new Map<string, LiveTurn>();
  /** By turn, then by instance. May name turns that are not here yet. */
  private readonly readers = new Map<string, Map<string, Reader>>();
  /** How to leave the turns that are read. */
  private readonly watches = new Map<string, () => void>();
  private readonly news = new Set<string>();

  /**
   * @param onNews there is text to collect; called often
   * @param onEnd a turn is over here, and this instance read it
   */
  constructor(
    private readonly onNews: () => void,
    private readonly onEnd: (messageId: string, reader: string) => void,
  ) {}

  add(live: LiveTurn): void {
    const messageId = live.started.answer.id;
    this.unwatch(messageId);
    this.turns.set(messageId, live);
    this.watch(messageId);
    void live.ended.then(() => {
      // An instance may take over from itself: then the turn of this name is another one.
      if (this.turns.get(messageId) === live) this.remove(messageId);
    });
  }

  /** False when the turn does not run here; the reader is remembered all the same, since it may be just about to. */
  follow(mail: FanoutMail & { kind: 'follow' }): boolean {
    const { messageId, reader, attempt, offset } = mail;
    const readers = this.readers.get(messageId) ?? new Map<string, Reader>();
    this.readers.set(messageId, readers.set(reader, { sent: { attempt, offset }, until: Date.now() + READER_MS }));
    this.watch(messageId);
    return this.turns.has(messageId);
  }

  leave(messageId: string, reader: string): void {
    const readers = this.readers.get(messageId);
    readers?.delete(reader);
    if (readers?.size !== 0) return;
    this.readers.delete(messageId);
    this.unwatch(messageId);
  }

  /** Forgets readers that have not been heard of. */
  sweep(): void {
    const now = Date.now();
    for (const [messageId, readers] of this.readers)
      for (const [reader, { until }] of readers) if (until < now) this.leave(messageId, reader);
  }

  get hasNews(): boolean {
    return this.news.size > 0;
  }

  /** What readers have not been sent yet, or a good part of it. It counts as sent once it is confirmed. */
  collect(): Piece[] {
    const pieces: Piece[] = [];
    let load = 0;
    for (const messageId of this.news) {
      if (load >= LOAD_LENGTH) break;
      this.news.delete(messageId);
      const live = this.turns.get(messageId);
      if (live === undefined) continue;
      for (const [to, reader] of this.readers.get(messageId) ?? []) {
        const mail = textFor(live, reader.sent);
        if (mail === null) continue;
        load += mail.text.length;
        pieces.push({ to, mail, reader });
      }
    }
    return pieces;
  }

  /** @param wereSent false brings them up again */
  confirm(pieces: readonly Piece[], wereSent: boolean): void {
    for (const { mail, reader } of pieces) {
      const { messageId, attempt, offset, text } = mail;
      if (wereSent) reader.sent = { attempt, offset: offset + text.length };
      // What did not fit, or has been written meanwhile, is found by the next look.
      this.news.add(messageId);
    }
  }

  /** Looks at all that are read again, after a time in which nothing could be sent. */
  recall(): void {
    for (const messageId of this.watches.keys()) this.news.add(messageId);
  }

  private remove(messageId: string): void {
    this.turns.delete(messageId);
    this.unwatch(messageId);
    for (const reader of this.readers.get(messageId)?.keys() ?? []) this.onEnd(messageId, reader);
    this.readers.delete(messageId);
  }

  private watch(messageId: string): void {
    const live = this.turns.get(messageId);
    if (live === undefined || !this.readers.has(messageId)) return;
    const tell = (): void => {
      this.news.add(messageId);
      this.onNews();
    };
    if (this.watches.has(messageId)) tell();
    else this.watches.set(messageId, live.follow(tell));
  }

  private unwatch(messageId: string): void {
    this.watches.get(messageId)?.();
    this.watches.delete(messageId);
    this.news.delete(messageId);
  }
}

/** Null when there is nothing new, or the reader has heard of a later attempt: then this one is lost. */
function textFor(live: LiveTurn, { attempt, offset }: Position): TextMail | null {
  if (attempt > live.attempt) return null;
  const from = attempt === live.attempt ? offset : 0;
  const text = live.textFrom(from, PIECE_LENGTH);
  return text === ''
    ? null
    : { kind: 'text', messageId: live.started.answer.id, attempt: live.attempt, offset: from, text };
}
