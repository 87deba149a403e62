import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { AppConfig } from '../../../platform/config/app-config.js';
import { Notifications } from '../../../platform/database/notifications.js';
import { TURN_FANOUT, type TurnFanout, type TurnLine } from './turn-fanout.js';
import { LiveTurn, type Position } from './live-turn.js';
import type { Message } from '../message.entity.js';
import { TurnStore } from '../storage/turn-store.js';

/** How long a mirror that nobody reads stays, for the reader who is just coming back. */
const IDLE_MS = 5000;
/** The longest time between two looks while notices come: the net for those that are lost. */
const NET_MS = 5000;

interface Mirror {
  readonly live: LiveTurn;
  readonly line: TurnLine;
  /** The end of what the database has given. The text itself may be further, or of a later attempt. */
  saved: Position;
  owner: string | null;
  /** A notice came since the last look began. */
  isWoken: boolean;
  /** Ends the wait for the next look. */
  resume: (() => void) | null;
  /** Whether its looks fail; told once. */
  isFailing: boolean;
}

/**
 * Turns that another instance runs, or that wait to be run, as they can be followed here: one copy a turn, however many
 * follow it, fed from the text that is safe in the database, and from the fan-out, which may be ahead of it or silent. A
 * notice says when to look. Since one may be lost, a mirror also looks by itself: as often as text is saved while notices
 * cannot come, else the less often the longer nothing is new, at least every `NET_MS`.
 */
@Injectable()
export class TurnMirrors {
  private readonly log = new Logger(TurnMirrors.name);
  private readonly mirrors = new Map<string, Mirror>();
  private isDatabaseAway = false;

  constructor(
    private readonly store: TurnStore,
    private readonly config: AppConfig,
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

  /** There is something new: of one turn, or of all turns of an instance. */
  look({ messageId, owner }: { messageId?: string; owner?: string }): void {
    const mirror = messageId === undefined ? undefined : this.mirrors.get(messageId);
    if (mirror !== undefined) wake(mirror);
    if (owner === undefined) return;
    for (const mirror of this.mirrors.values()) if (mirror.owner === owner) wake(mirror);
  }

  /** Notices may have been lost. */
  lookAtAll(): void {
    for (const mirror of this.mirrors.values()) wake(mirror);
  }

  /** Lets go of all followers, who come back elsewhere. */
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

  /** Whether anything was new. Never fails; of an outage one line tells, however many look. */
  private async tryRead(actor: Pick<Actor, 'userId'>, messageId: string, mirror: Mirror): Promise<boolean> {
    try {
      const hasNews = await this.read(actor, messageId, mirror);
      this.isDatabaseAway = mirror.isFailing = false;
      return hasNews;
    } catch (error) {
      if (error instanceof AppError && error.code === 'database_unavailable') {
        if (!this.isDatabaseAway) this.log.warn('Turns of other instances cannot be followed: the database is away');
        this.isDatabaseAway = true;
      } else if (!mirror.isFailing) {
        this.log.warn({ messageId, err: error }, 'A turn of another instance cannot be followed');
        mirror.isFailing = true;
      }
      return false;
    }
  }

  /** Whether anything was new. */
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
    // Neither running nor settled: it was deleted with its session.
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

/** Until a notice comes, or came since the last look began; at most for a time. */
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
 * Adds what is new in a text that may have come before, or too late. False when something between is missing: then
 * nothing is added.
 */
function merge(live: LiveTurn, { attempt, offset }: Position, text: string): boolean {
  // From an instance that has lost the turn, or from a database that was asked before another took it.
  if (attempt < live.attempt) return true;
  if (attempt > live.attempt) live.restart(attempt);
  if (offset > live.length) return false;
  live.append(text.slice(live.length - offset));
  return true;
}
