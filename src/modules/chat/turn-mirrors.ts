import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { TURN_FANOUT, type TurnFanout, type TurnLine } from './fanout/turn-fanout.js';
import { LiveTurn, type Position } from './live-turn.js';
import type { Message } from './message.entity.js';
import { TurnStore } from './turn-store.js';

/** How long a mirror that nobody reads stays, for the reader who is just coming back. */
const IDLE_MS = 5000;

interface Mirror {
  readonly live: LiveTurn;
  readonly line: TurnLine;
  /** The end of what the database has given. The text itself may be further, or of a later attempt. */
  saved: Position;
  owner: string | null;
  /** Ends the wait for the next look. */
  wake: () => void;
}

/**
 * Turns that another instance runs, or that wait to be run, as they can be followed here: one copy a turn, however many
 * follow it, fed from the text that is safe in the database, and from the fan-out, which may be ahead of it or silent. A
 * notice says when to look; without one it looks by itself.
 */
@Injectable()
export class TurnMirrors {
  private readonly log = new Logger(TurnMirrors.name);
  private readonly mirrors = new Map<string, Mirror>();

  constructor(
    private readonly store: TurnStore,
    private readonly config: AppConfig,
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
    if (messageId !== undefined) return this.mirrors.get(messageId)?.wake();
    for (const mirror of this.mirrors.values()) if (mirror.owner === owner) mirror.wake();
  }

  /** Lets go of all followers, who come back elsewhere. */
  close(): void {
    for (const { live, wake } of this.mirrors.values()) {
      live.end(null);
      wake();
    }
  }

  private mirror(messageId: string, live: LiveTurn): Mirror {
    const line = this.fanout.follow(messageId, {
      position: () => ({ attempt: live.attempt, offset: live.length }),
      onText: (at, text) => live.settled !== undefined || merge(live, at, text),
      onChange: () => this.look({ messageId }),
    });
    return { live, line, saved: { attempt: live.attempt, offset: 0 }, owner: null, wake: () => undefined };
  }

  private async run(actor: Pick<Actor, 'userId'>, messageId: string, mirror: Mirror): Promise<void> {
    const { live } = mirror;
    let idleSince = Date.now();
    while (live.settled === undefined) {
      const woken = new Promise<void>((resolve) => (mirror.wake = resolve));
      await this.read(actor, messageId, mirror).catch((error: unknown) =>
        this.log.warn({ messageId, err: error }, 'A mirror could not look'),
      );
      if (live.hasReaders) idleSince = Date.now();
      if (live.settled !== undefined) return;
      if (Date.now() - idleSince > IDLE_MS && !live.isAwaited) return live.end(null);
      await Promise.race([woken, sleep(this.config.turnFlushMs, undefined, { ref: false })]);
    }
  }

  private async read(actor: Pick<Actor, 'userId'>, messageId: string, mirror: Mirror): Promise<void> {
    const { live } = mirror;
    const { progress, settled } = await this.store.readProgress(actor, messageId, mirror.saved);
    if (live.settled !== undefined) return;
    if (settled !== null) {
      if (settled.attempt !== live.attempt) live.restart(settled.attempt);
      live.append(settled.content.slice(live.length));
      return live.end(settled);
    }
    // Neither running nor settled: it was deleted with its session.
    if (progress === null) return live.end(null);
    const { attempt, text, owner } = progress;
    const offset = attempt === mirror.saved.attempt ? mirror.saved.offset : 0;
    merge(live, { attempt, offset }, text);
    mirror.saved = { attempt, offset: offset + text.length };
    mirror.owner = owner;
    mirror.line.from(owner);
  }
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
