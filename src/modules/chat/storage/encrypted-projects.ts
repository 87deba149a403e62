import { Injectable } from '@nestjs/common';
import { type ContentKey, ContentKeys } from '../../../platform/crypto/content-keys.js';
import type { TurnPlace } from '../turn.js';

const MOST = 10_000;

/**
 * Caches which projects encrypt their content. An unknown place counts as plain. OPEN refuses content in the wrong form
 * before anything is written, and its error names the project. So a turn of a plain project has no extra cost, and an
 * encrypted project costs one more round trip per instance, for its first turn.
 */
@Injectable()
export class EncryptedProjects {
  /** The encrypted projects, by user and project or session; the oldest first. */
  private readonly projects = new Map<string, string>();

  constructor(private readonly contentKeys: ContentKeys) {}

  /** The key for a question at this place, according to the cache; null for a plain project. */
  async findKey(userId: string, place: TurnPlace): Promise<ContentKey | null> {
    const projectId = this.projects.get(nameOf(userId, idOf(place)));
    // Without a key the project was deleted, which OPEN will report.
    return projectId === undefined ? null : this.contentKeys.find({ userId, projectId });
  }

  /** Remembers the key's project for a place and its session. */
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
