import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { PromptsConfig } from './public/prompts.config.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { requireVersion } from '../../platform/http/etag.js';
import { TokenCounter } from '../../platform/tokens/token-counter.js';
import { ProjectAccess } from '../projects/public/project-access.js';
import { type CreateProjectPromptRequest, MAX_PROMPTS, type UpdatePromptRequest } from './prompt.dto.js';
import type { Prompt } from './prompt.entity.js';
import { PromptsRepository } from './prompts.repository.js';

@Injectable()
export class PromptsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly prompts: PromptsRepository,
    private readonly projects: ProjectAccess,
    private readonly tokens: TokenCounter,
    private readonly config: PromptsConfig,
  ) {}

  /** In order. Reads one row more than `limit` when there is a next page. */
  list(actor: Actor, projectId: string, afterPosition: number, limit: number): Promise<Prompt[]> {
    return this.unitOfWork.run(actor, async () => {
      const rows = await this.prompts.list(actor.userId, projectId, afterPosition, limit + 1);
      // A project with prompts exists, so only an empty list needs the check.
      if (rows.length === 0) await this.projects.require(actor, projectId);
      return rows;
    });
  }

  /** The new prompt comes last. */
  async create(actor: Actor, projectId: string, { name, content }: CreateProjectPromptRequest): Promise<Prompt> {
    const { userId } = actor;
    const contentTokens = await this.count(actor, content);
    return this.unitOfWork.run(actor, async () => {
      await this.projects.lock(actor, projectId);
      const others = await this.prompts.list(userId, projectId, -1, MAX_PROMPTS);
      if (others.length >= MAX_PROMPTS) throw AppError.invalid('', `a project can have ${MAX_PROMPTS} prompts`);
      const position = (others.at(-1)?.position ?? -1) + 1;
      const id = newId();
      await this.prompts.insert({ userId, id, projectId, name: name ?? null, content, contentTokens, position });
      return this.prompts.get(actor.userId, id);
    });
  }

  find(actor: Actor, id: string): Promise<Prompt | null> {
    return this.unitOfWork.run(actor, () => this.prompts.find(actor.userId, id));
  }

  async update(
    actor: Actor,
    id: string,
    ifMatch: readonly number[] | null,
    changes: UpdatePromptRequest,
  ): Promise<Prompt> {
    const counted = changes.content === undefined ? {} : { contentTokens: await this.count(actor, changes.content) };
    return this.unitOfWork.run(actor, async () => {
      await this.lock(actor, id, ifMatch);
      if (Object.keys(changes).length > 0) await this.prompts.update(actor.userId, id, { ...changes, ...counted });
      return this.prompts.get(actor.userId, id);
    });
  }

  async remove(actor: Actor, id: string, ifMatch: readonly number[] | null): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      await this.lock(actor, id, ifMatch);
      await this.prompts.remove(actor.userId, id);
    });
  }

  /**
   * The ids must be all prompts of the project, each once: a partial list would leave the order of the rest undefined.
   */
  async reorder(actor: Actor, projectId: string, ids: readonly string[]): Promise<Prompt[]> {
    return this.unitOfWork.run(actor, async () => {
      await this.projects.lock(actor, projectId);
      const before = await this.prompts.list(actor.userId, projectId, -1, MAX_PROMPTS);
      const wanted = new Set(ids);
      if (wanted.size !== before.length || !before.every(({ id }) => wanted.has(id))) {
        throw AppError.invalid('/prompt_ids', 'must name each prompt of the project once');
      }
      await this.prompts.reorder(actor.userId, projectId, ids);
      return this.prompts.list(actor.userId, projectId, -1, MAX_PROMPTS);
    });
  }

  private async count({ userId }: Actor, content: string): Promise<number> {
    const max = this.config.messageMaxChars;
    if (content.length > max) throw AppError.invalid('/content', `must be at most ${max} characters`);
    return this.tokens.countSent(content, { userId });
  }

  /** Locks the prompt. Throws `not_found`, and `precondition_failed` when the version differs. */
  private async lock(actor: Actor, id: string, ifMatch: readonly number[] | null): Promise<void> {
    const prompt = await this.prompts.findForUpdate(actor.userId, id);
    if (prompt === null) throw new AppError('not_found');
    requireVersion(ifMatch, prompt);
  }
}
