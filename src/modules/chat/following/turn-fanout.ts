import type { LiveTurn, Position } from './live-turn.js';

/** Resolves to the fan-out that the config chooses. */
export const TURN_FANOUT = Symbol('TURN_FANOUT');

/** Whoever shows a turn here that another instance runs. */
export interface TurnFollower {
  /** The end of the text that it has. */
  position(): Position;
  /** Text as it is written. False when it does not connect to what the follower has; then it is sent once more. */
  onText(at: Position, text: string): boolean;
  /** The turn is over, or somebody else has it: it is time to look in the database. */
  onChange(): void;
}

/** The way on which a follower gets text. */
export interface TurnLine {
  /** Gets it from this instance from now on, by its `TurnClaims.owner`; asking for the same one again costs nothing. */
  from(owner: string): void;
  close(): void;
}

/**
 * Carries the text of running turns to other instances before it is in the database. All it says is a hint: it may come
 * twice, late, from an instance that has lost the turn, or not at all; followers go by attempt and offset, and look in
 * the database by themselves. Nothing here throws, and nothing waits.
 */
export interface TurnFanout {
  /** Whether followers hear of turns this way now. */
  readonly isConnected: boolean;
  /**
   * A turn runs here now, until it ends.
   * @param isTakenOver whether followers may still expect it at another instance
   */
  publish(live: LiveTurn, isTakenOver: boolean): void;
  follow(messageId: string, follower: TurnFollower): TurnLine;
}

/** Without Redis nothing goes ahead of the database: notices of saved text, and looks at it, are all there is. */
export class DatabaseFanout implements TurnFanout {
  readonly isConnected = false;

  publish(): void {}

  follow(): TurnLine {
    return NO_LINE;
  }
}

const NO_LINE: TurnLine = { from: () => undefined, close: () => undefined };
