import { Injectable } from '@nestjs/common';
import { type ContentKey, ContentKeys } from '../../../platform/crypto/content-keys.js';
import { refusedProject } from '../../../platform/database/pg-errors.js';
import type { OpenTurn, TurnPlace } from './open-turn.js';

const MOST = 10_000;

/**
 * By which key a question is sealed, known before OPEN is sent. A place that is not known here counts as plain; OPEN refuses
 * content that is not as its project wants it, before anything is written, and says which project that is. So a turn of
 * a plain project pays nothing, and an encrypted one a round trip when an instance meets it for the first time.
 */
@Injectable()
export class SealedPlaces {
  /** The projects of places that are encrypted, by user and project or session; the oldest first. */
  private readonly projects = new Map<string, string>();

  constructor(private readonly keys: ContentKeys) {}

  /**
   * Opens a turn by the key that the place is believed to have, null for a plain one, and by the one that it really has
   * when that was wrong.
   */
  async open(
    userId: string,
    place: TurnPlace,
    openBy: (key: ContentKey | null) => Promise<OpenTurn>,
  ): Promise<OpenTurn> {
    const known = await this.keyOf(userId, place);
    try {
      return this.learn(await openBy(known), place);
    } catch (error) {
      const projectId = refusedProject(error);
      if (known !== null || projectId === null) throw error;
      return this.learn(await openBy(await this.keys.get({ userId, projectId })), place);
    }
  }

  private async keyOf(userId: string, place: TurnPlace): Promise<ContentKey | null> {
    const projectId = this.projects.get(nameOf(userId, idOf(place)));
    // Without the key the project has gone, which OPEN will say.
    return projectId === undefined ? null : this.keys.find({ userId, projectId });
  }

  private learn(turn: OpenTurn, place: TurnPlace): OpenTurn {
    const { answer, contentKey } = turn;
    if (contentKey !== null) {
      for (const id of [answer.sessionId, idOf(place)]) this.remember(nameOf(answer.userId, id), contentKey);
    }
    return turn;
  }

  private remember(name: string, { owner }: ContentKey): void {
    this.projects.delete(name);
    if (this.projects.size >= MOST) this.projects.delete(this.projects.keys().next().value as string);
    this.projects.set(name, owner.projectId);
  }
}

const idOf = (place: TurnPlace): string => ('sessionId' in place ? place.sessionId : place.projectId);

const nameOf = (userId: string, id: string): string => `${userId} ${id}`;
