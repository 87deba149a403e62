import { Injectable, Logger } from '@nestjs/common';
import { AppConfig } from '../../../platform/config/app-config.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { LlmError } from '../../llm/public/llm-error.js';
import type { Generation, LlmProvider } from '../../llm/public/llm-provider.js';
import type { ProviderAttempt } from '../../llm/public/provider-attempt.js';
import { LlmProviders } from '../../llm/public/llm-providers.js';
import { ProjectProviders } from '../../provider-keys/public/project-providers.js';
import type { Message } from '../message.entity.js';
import type { OpenTurn } from '../turn.js';
import { SessionsRepository } from '../sessions/sessions.repository.js';
import { SideCalls } from '../context/side-calls.js';

const MAX_TITLE = 60;
const OPENING = `"'“„«`;
const CLOSING = `"'”“»`;
/** What of question and answer the title model gets to read, in characters. */
const EXCERPT = 1000;
const TIMEOUT_MS = 20_000;
const INSTRUCTION =
  'Name the following conversation in at most six words, in its own language. Answer with the name alone, without quotation marks.';

interface Titler {
  readonly provider: LlmProvider;
  readonly model: string | null;
}

/** Names sessions after their first turn. A failed call, and one that a budget has no room for, leaves the name as it is: the beginning of the first message. */
@Injectable()
export class SessionTitles {
  private readonly log = new Logger(SessionTitles.name);

  constructor(
    private readonly providers: LlmProviders,
    private readonly ofProjects: ProjectProviders,
    private readonly sessions: SessionsRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly calls: SideCalls,
    private readonly config: AppConfig,
  ) {}

  /**
   * Asks the title model when config names one. Never throws, never replaces a name that a person gave.
   * @param answered the call that gave the answer; null when nobody was asked
   */
  async name(
    { question, project, contentKey }: OpenTurn,
    answer: Message,
    answered: ProviderAttempt | null,
  ): Promise<void> {
    const { titleModel } = this.config;
    // A title is stored readable, and one that is made of what was said would be words of it.
    if (contentKey !== null) return;
    if (titleModel === undefined || question.seq !== 1 || answer.status !== 'completed') return;
    const excerpt = `${question.content.slice(0, EXCERPT)}\n\n${answer.content.slice(0, EXCERPT)}`;
    try {
      const asked = await this.titler(titleModel, project, answer, answered);
      if (asked === null) return;
      const generation = await this.ask(asked, excerpt.toWellFormed(), project, answer);
      const title = clean(generation?.text ?? '');
      if (title === '') return;
      await this.unitOfWork.run(answer, () => this.sessions.suggestTitle(answer.userId, answer.sessionId, title));
    } catch (error) {
      // A provider's error carries the provider's words.
      const facts =
        error instanceof LlmError ? { code: error.code, providerStatus: error.providerStatus } : { err: error };
      this.log.warn({ sessionId: answer.sessionId, ...facts }, 'A session was not named');
    }
  }

  private ask(
    { provider, model }: Titler,
    excerpt: string,
    project: OpenTurn['project'],
    { userId, sessionId, id: messageId }: Message,
  ): Promise<Generation | null> {
    const call = {
      kind: 'title',
      ledgerRef: { userId, sessionId, messageId, projectId: project.projectId },
      provider,
      model,
      isOwnKey: project.providerKey !== null,
      messages: [
        { role: 'system', content: INSTRUCTION },
        { role: 'user', content: excerpt },
      ],
      maxOutputTokens: 30,
    } as const;
    return this.calls.generate(call, AbortSignal.timeout(TIMEOUT_MS));
  }

  /** Who names what was said in a project; null when nobody does, because what is said to a provider stays with it. */
  private async titler(
    titleModel: string,
    project: OpenTurn['project'],
    { userId }: Message,
    answered: ProviderAttempt | null,
  ): Promise<Titler | null> {
    if (project.providerKey !== null) {
      const provider = await this.ofProjects.findFirst({ userId }, project);
      if (provider === null) return null;
      // We do not know which models a user's own server has, except the one that it has just answered for. It may have
      // answered under a name by which it cannot be asked.
      return { provider, model: answered?.provider === provider.name ? answered.askedModel : project.model };
    }
    const { defaultName, default: provider } = this.providers;
    // The model of that name is the default provider's.
    return project.provider === null || project.provider === defaultName ? { provider, model: titleModel } : null;
  }
}

/** One line without the quotation marks that models like to add. The text may be as long as an answer, and a stranger's. */
function clean(text: string): string {
  const line = text.replaceAll('\0', '').toWellFormed().replace(/\s+/g, ' ').trim();
  let [start, end] = [0, line.length];
  while (start < end && OPENING.includes(line.charAt(start))) start++;
  while (end > start && CLOSING.includes(line.charAt(end - 1))) end--;
  return line
    .slice(start, Math.min(end, start + MAX_TITLE))
    .toWellFormed()
    .trim();
}
