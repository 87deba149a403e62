import type { LiveTurn, Position } from './live-turn.js';

/** Injection token of the configured fan-out. */
export const TURN_FANOUT = Symbol('TURN_FANOUT');

/** A reader on this instance of a turn that another instance runs. */
export interface TurnFollower {
  /** The end of the text that the follower has. */
  position(): Position;
  /**
   * Receives new text. Returns false when text between this and the follower's position is missing; then it is sent
   * again.
   */
  onText(at: Position, text: string): boolean;
  /** The turn has ended or moved to another instance: read the database. */
  onChange(): void;
}

/** A subscription of one follower. */
export interface TurnLine {
  /**
   * Reads from the instance with this `TurnClaims.owner` from now on. Repeated calls with the same one cost nothing.
   */
  from(owner: string): void;
  close(): void;
}

/**
 * Carries the text of running turns to other instances before it is in the database. Everything it delivers is only a
 * hint: it may arrive twice, late, from an instance that has lost the turn, or never. So followers check attempt and
 * offset, and also poll the database. No method throws or waits.
 */
export interface TurnFanout {
  /** Whether the fan-out is delivering text now. */
  readonly isConnected: boolean;
  /**
   * Offers a turn that runs here to other instances until it ends.
   * @param isTakenOver whether followers may still ask another instance for it
   */
  publish(live: LiveTurn, isTakenOver: boolean): void;
  follow(messageId: string, follower: TurnFollower): TurnLine;
}

/** The fan-out without Redis. It delivers nothing: followers rely on database notifications and polling. */
export class DatabaseFanout implements TurnFanout {
  readonly isConnected = false;

  publish(): void {}

  follow(): TurnLine {
    return NO_LINE;
  }
}

const NO_LINE: TurnLine = { from: () => undefined, close: () => undefined };
