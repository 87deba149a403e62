import { Injectable } from '@nestjs/common';
import { type ContentKey, ContentKeys } from '../../../platform/crypto/content-keys.js';
import type { TurnPlace } from '../turn.js';

const MOST = 10_000;

/**
 * Which projects encrypt their content, as far as this instance has met them. A place that is not known here counts as plain;
 * OPEN refuses content that is not as its project wants it, before anything is written, and names that project. So a turn
 * of a plain project pays nothing, and an encrypted one a round trip when an instance meets it for the first time.
 */
@Injectable()
export class EncryptedProjects {
  /** The projects of places that are encrypted, by user and project or session; the oldest first. */
  private readonly projects = new Map<string, string>();

  constructor(private readonly contentKeys: ContentKeys) {}

  /** The key that a question at this place is believed to be encrypted by; null for a plain one. */
  async findKey(userId: string, place: TurnPlace): Promise<ContentKey | null> {
    const projectId = this.projects.get(nameOf(userId, idOf(place)));
    // Without the key the project has gone, which OPEN will say.
    return projectId === undefined ? null : this.contentKeys.find({ userId, projectId });
  }

  /** The project of a place and its session has this key. */
  remember(userId: string, place: TurnPlace, sessionId: string, { owner }: ContentKey): void {
    for (const id of [sessionId, idOf(place)]) {
      const name = nameOf(userId, id);
      this.projects.delete(name);
      this.forgetOldest();
      this.projects.set(name, owner.projectId);
    }
  }

  private forgetOldest(): void {
    for (const name of this.projects.keys()) {
      if (this.projects.size < MOST) return;
      this.projects.delete(name);
    }
  }
}

const idOf = (place: TurnPlace): string => ('sessionId' in place ? place.sessionId : place.projectId);

const nameOf = (userId: string, id: string): string => `${userId} ${id}`;
