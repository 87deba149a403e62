import { Injectable, Logger } from '@nestjs/common';
import { ChatConfig } from '../public/chat.config.js';
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
/** How much of question and answer the title model gets, in characters. */
const EXCERPT = 1000;
const TIMEOUT_MS = 20_000;
const INSTRUCTION =
  'Name the following conversation in at most six words, in its own language. Answer with the name alone, without quotation marks.';

interface Titler {
  readonly provider: LlmProvider;
  readonly model: string | null;
}

/**
 * Names sessions after their first turn. When the call fails or a budget has no room for it, the title stays the
 * beginning of the first message.
 */
@Injectable()
export class SessionTitles {
  private readonly log = new Logger(SessionTitles.name);

  constructor(
    private readonly providers: LlmProviders,
    private readonly ofProjects: ProjectProviders,
    private readonly sessions: SessionsRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly calls: SideCalls,
    private readonly config: ChatConfig,
  ) {}

  /**
   * Calls the title model if one is configured. Never throws, and never replaces a title that the user gave.
   * @param answered the call that produced the answer; null when no model was called
   */
  async name(
    { question, project, contentKey }: OpenTurn,
    answer: Message,
    answered: ProviderAttempt | null,
  ): Promise<void> {
    const { titleModel } = this.config;
    // Titles are stored unencrypted, and a generated title would reveal the conversation.
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
      // The error of a provider may contain its own text, which is not logged.
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

  /**
   * The provider and model that name sessions in a project; null for none, because messages go only to the project's
   * own provider.
   */
  private async titler(
    titleModel: string,
    project: OpenTurn['project'],
    { userId }: Message,
    answered: ProviderAttempt | null,
  ): Promise<Titler | null> {
    if (project.providerKey !== null) {
      const provider = await this.ofProjects.findFirst({ userId }, project);
      if (provider === null) return null;
      // On a user's own server, the only model that is known to exist is the one that has just answered. Use the
      // requested name, because the name in the answer may not work in a request.
      return { provider, model: answered?.provider === provider.name ? answered.askedModel : project.model };
    }
    const { defaultName, default: provider } = this.providers;
    // The configured model belongs to the default provider.
    return project.provider === null || project.provider === defaultName ? { provider, model: titleModel } : null;
  }
}

/**
 * Reduces the text to one line without the quotation marks that models often add. The text is untrusted and may be as
 * long as an answer.
 */
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
