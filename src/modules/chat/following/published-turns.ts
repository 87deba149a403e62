import type { LiveTurn, Position } from './live-turn.js';
import type { FanoutMail, TextMail } from './fanout-mail.js';

/** How long a reader is kept without another `follow`, in milliseconds. */
export const READER_MS = 30_000;
/** The most text of one turn, and of all turns, in one batch, in UTF-16 units. The rest goes into the next batch. */
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
 * The turns that run here, and the other instances that read them. A turn without readers costs nothing. For a turn
 * with readers, only each reader's position is kept, not the text, so memory does not grow when Redis is slow or
 * unavailable.
 */
export class PublishedTurns {
  private readonly turns = new Map<string, LiveTurn>();
  /** By turn, then by instance. May contain turns that do not run here yet. */
  private readonly readers = new Map<string, Map<string, Reader>>();
  /** Unsubscribes from the turns with readers. */
  private readonly watches = new Map<string, () => void>();
  private readonly news = new Set<string>();

  /**
   * @param onNews called often, whenever there is text to collect
   * @param onEnd called for each reader when a turn has ended on this instance
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
      // An instance may take over its own turn: then this id belongs to the new `LiveTurn`.
      if (this.turns.get(messageId) === live) this.remove(messageId);
    });
  }

  /**
   * False when the turn does not run here. The reader is kept even then, because the turn may be about to start here.
   */
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

  /** Drops readers that have not repeated their `follow` in time. */
  sweep(): void {
    const now = Date.now();
    for (const [messageId, readers] of this.readers)
      for (const [reader, { until }] of readers) if (until < now) this.leave(messageId, reader);
  }

  get hasNews(): boolean {
    return this.news.size > 0;
  }

  /** A batch of the text that readers have not received yet. It counts as sent only after `confirm`. */
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

  /** @param wereSent false sends them again */
  confirm(pieces: readonly Piece[], wereSent: boolean): void {
    for (const { mail, reader } of pieces) {
      const { messageId, attempt, offset, text } = mail;
      if (wereSent) reader.sent = { attempt, offset: offset + text.length };
      // The next batch contains the text that did not fit or was written meanwhile.
      this.news.add(messageId);
    }
  }

  /** Checks all turns with readers again, after a time when nothing could be sent. */
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

/**
 * Null when there is nothing new, or when the reader already knows a later attempt, because then this instance has lost
 * the turn.
 */
function textFor(live: LiveTurn, { attempt, offset }: Position): TextMail | null {
  if (attempt > live.attempt) return null;
  const from = attempt === live.attempt ? offset : 0;
  const text = live.textFrom(from, PIECE_LENGTH);
  return text === ''
    ? null
    : { kind: 'text', messageId: live.started.answer.id, attempt: live.attempt, offset: from, text };
}
