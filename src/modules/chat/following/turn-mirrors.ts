import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { ChatConfig } from '../public/chat.config.js';
import { Notifications } from '../../../platform/database/notifications.js';
import { TURN_FANOUT, type TurnFanout, type TurnLine } from './turn-fanout.js';
import { LiveTurn, type Position } from './live-turn.js';
import type { Message } from '../message.entity.js';
import { TurnStore } from '../storage/turn-store.js';

/** How long a mirror without readers is kept, for a client that reconnects. */
const IDLE_MS = 5000;
/** The longest time between two reads while notifications work, as a safety net for lost ones. */
const NET_MS = 5000;

interface Mirror {
  readonly live: LiveTurn;
  readonly line: TurnLine;
  /** The end of the text that was read from the database. The text in `live` may be longer, or of a later attempt. */
  saved: Position;
  owner: string | null;
  /** Whether a notification has arrived since the last read began. */
  isWoken: boolean;
  /** Ends the wait for the next read. */
  resume: (() => void) | null;
  /** Whether its reads fail; logged once. */
  isFailing: boolean;
}

/**
 * Lets clients of this instance follow turns that run on another instance or wait. There is one mirror per turn,
 * however many clients follow it. Its text comes from the database and from the fan-out, which may be ahead of the
 * database or deliver nothing. A database notification triggers a read. Because notifications may get lost, a mirror
 * also polls: as often as text is saved while notifications are down; otherwise less and less often while nothing is
 * new, but at least every `NET_MS`.
 */
@Injectable()
export class TurnMirrors {
  private readonly log = new Logger(TurnMirrors.name);
  private readonly mirrors = new Map<string, Mirror>();
  private isDatabaseAway = false;

  constructor(
    private readonly store: TurnStore,
    private readonly config: ChatConfig,
    private readonly notifications: Notifications,
    @Inject(TURN_FANOUT) private readonly fanout: TurnFanout,
  ) {}

  follow(actor: Pick<Actor, 'userId'>, question: Message, answer: Message, attempt = 1): LiveTurn {
    const known = this.mirrors.get(answer.id);
    if (known !== undefined) return known.live;
    const mirror = this.mirror(answer.id, new LiveTurn({ question, answer, attempt }));
    this.mirrors.set(answer.id, mirror);
    void this.run(actor, answer.id, mirror).finally(() => {
      this.mirrors.delete(answer.id);
      mirror.line.close();
    });
    return mirror.live;
  }

  /** Reads again after a notification about one turn, or about all turns of an instance. */
  look({ messageId, owner }: { messageId?: string; owner?: string }): void {
    const mirror = messageId === undefined ? undefined : this.mirrors.get(messageId);
    if (mirror !== undefined) wake(mirror);
    if (owner === undefined) return;
    for (const mirror of this.mirrors.values()) if (mirror.owner === owner) wake(mirror);
  }

  /** Reads all turns again, because notifications may have been lost. */
  lookAtAll(): void {
    for (const mirror of this.mirrors.values()) wake(mirror);
  }

  /** Ends all streams; their clients reconnect to another instance. */
  close(): void {
    for (const mirror of this.mirrors.values()) {
      mirror.live.end(null);
      wake(mirror);
    }
  }

  private mirror(messageId: string, live: LiveTurn): Mirror {
    const line = this.fanout.follow(messageId, {
      position: () => ({ attempt: live.attempt, offset: live.length }),
      onText: (at, text) => live.settled !== undefined || merge(live, at, text),
      onChange: () => this.look({ messageId }),
    });
    const saved = { attempt: live.attempt, offset: 0 };
    return { live, line, saved, owner: null, isWoken: false, resume: null, isFailing: false };
  }

  private async run(actor: Pick<Actor, 'userId'>, messageId: string, mirror: Mirror): Promise<void> {
    const { live } = mirror;
    const { turnFlushMs } = this.config;
    let idleSince = Date.now();
    let waitMs = turnFlushMs;
    while (live.settled === undefined) {
      mirror.isWoken = false;
      const hasNews = await this.tryRead(actor, messageId, mirror);
      if (live.hasReaders) idleSince = Date.now();
      if (live.settled !== undefined) return;
      if (Date.now() - idleSince > IDLE_MS && !live.isAwaited) return live.end(null);
      const isHeard = this.notifications.isListening || this.fanout.isConnected;
      waitMs = hasNews || !isHeard ? turnFlushMs : Math.min(2 * waitMs, Math.max(NET_MS, turnFlushMs));
      await pause(mirror, waitMs);
    }
  }

  /** Returns whether anything was new. Never fails. An outage is logged once, however many mirrors poll. */
  private async tryRead(actor: Pick<Actor, 'userId'>, messageId: string, mirror: Mirror): Promise<boolean> {
    try {
      const hasNews = await this.read(actor, messageId, mirror);
      this.isDatabaseAway = mirror.isFailing = false;
      return hasNews;
    } catch (error) {
      if (error instanceof AppError && error.code === 'database_unavailable') {
        if (!this.isDatabaseAway)
          this.log.warn('Turns of other instances cannot be followed: the database is unavailable');
        this.isDatabaseAway = true;
      } else if (!mirror.isFailing) {
        this.log.warn({ messageId, err: error }, 'A turn of another instance cannot be followed');
        mirror.isFailing = true;
      }
      return false;
    }
  }

  /** Returns whether anything was new. */
  private async read(actor: Pick<Actor, 'userId'>, messageId: string, mirror: Mirror): Promise<boolean> {
    const { live } = mirror;
    const { progress, settled } = await this.store.readProgress(actor, messageId, mirror.saved);
    if (live.settled !== undefined) return true;
    if (settled !== null) {
      if (settled.attempt !== live.attempt) live.restart(settled.attempt);
      live.append(settled.content.slice(live.length));
      live.end(settled);
      return true;
    }
    // Neither running nor settled: the turn was deleted with its session.
    if (progress === null) {
      live.end(null);
      return true;
    }
    const { attempt, text, owner } = progress;
    const hasNews = text !== '' || owner !== mirror.owner || attempt !== mirror.saved.attempt;
    const offset = attempt === mirror.saved.attempt ? mirror.saved.offset : 0;
    merge(live, { attempt, offset }, text);
    mirror.saved = { attempt, offset: offset + text.length };
    mirror.owner = owner;
    mirror.line.from(owner);
    return hasNews;
  }
}

function wake(mirror: Mirror): void {
  mirror.isWoken = true;
  mirror.resume?.();
}

/** Waits for a notification, at most `waitMs`. Returns at once if one arrived since the last read began. */
function pause(mirror: Mirror, waitMs: number): Promise<void> {
  if (mirror.isWoken) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => mirror.resume?.(), waitMs).unref();
    mirror.resume = () => {
      clearTimeout(timer);
      mirror.resume = null;
      resolve();
    };
  });
}

/**
 * Appends the new part of a text that may be repeated or late. Returns false, and appends nothing, when text before it
 * is missing.
 */
function merge(live: LiveTurn, { attempt, offset }: Position, text: string): boolean {
  // The text comes from an instance that has lost the turn, or from a database read before the takeover.
  if (attempt < live.attempt) return true;
  if (attempt > live.attempt) live.restart(attempt);
  if (offset > live.length) return false;
  live.append(text.slice(live.length - offset));
  return true;
}
