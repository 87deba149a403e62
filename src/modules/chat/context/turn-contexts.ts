import { Injectable } from '@nestjs/common';
import { ChatConfig } from '../public/chat.config.js';
import type { LlmProvider } from '../../llm/public/llm-provider.js';
import type { LlmParams } from '../../llm/public/llm-provider.js';
import { type ModelWindow, ModelWindows } from '../../llm/public/model-windows.js';
import { listerOf } from '../../provider-keys/public/project-providers.js';
import type { Message } from '../message.entity.js';
import type { Fullness, OpenTurn, Summary } from '../turn.js';
import { buildContext, type Context, type ContextInput, costOf, roomBeside } from './context-builder.js';
import { contextBudget, hasRoomFor } from './context-budget.js';
import { SessionSummaries, type SummaryTask } from './session-summaries.js';
import { TextSizes } from './text-sizes.js';

/** The share of the room above which a summary is made in advance. */
const NEAR_SHARE = 0.8;
/** The most summaries in a row after one turn, for a long session without any. */
const MAX_STEPS = 3;

/** The provider and model of a turn. */
export interface Asked {
  readonly provider: LlmProvider;
  readonly model: string;
  readonly isOwnKey: boolean;
}

/** Builds the model input of a turn within the model's window, and makes summaries where the project wants them. */
@Injectable()
export class TurnContexts {
  constructor(
    private readonly windows: ModelWindows,
    private readonly sizes: TextSizes,
    private readonly summaries: SessionSummaries,
    private readonly config: ChatConfig,
  ) {}

  /**
   * Builds the input without a new summary. It can be built only once: the turn then frees its texts, which may be a
   * hundred times as large as the rest of it.
   */
  async build(turn: OpenTurn, asked: Asked): Promise<Context> {
    const input = await this.inputOf(turn, asked);
    letGo(turn);
    return buildContext(input);
  }

  /**
   * Like `build`, but waits for a new summary when messages would be left out that can be summarised.
   * Throws `context_too_large` when prompts and question alone do not fit.
   */
  async prepare(turn: OpenTurn, asked: Asked, signal: AbortSignal): Promise<Context> {
    const input = await this.inputOf(turn, asked);
    letGo(turn);
    const context = buildContext(input);
    if (turn.project.contextOverflow !== 'summarise') return context;
    const room = roomBeside(input.prompts, input.budget);
    const leafId = turn.question.parentId;
    let { summary } = input;
    let better = context;
    if (context.dropped > 0 && leafId !== null) {
      const extension = await this.summaries.extend(
        { ...taskOf(turn, leafId, room), questionTokens: costOf(input.question) },
        signal,
        true,
      );
      summary = extension?.summary ?? summary;
      better = extension === null ? context : buildContext({ ...input, summary });
    }
    turn.fullness = fullness(input, summary, room, better.dropped > 0);
    return better;
  }

  /** Returns a check whether the window of another model has room for a context that was built for the first one. */
  roomElsewhere(
    { inputTokens }: Context,
    { project }: OpenTurn,
    { provider, model }: Asked,
    { max_output_tokens: answerTokens }: LlmParams,
  ): (window: ModelWindow) => boolean {
    const { encoding } = this.windows.find(model, listerOf(project, provider));
    return (window) => hasRoomFor({ inputTokens, encoding, answerTokens }, window);
  }

  /** Makes a summary after a turn, so the next turn does not have to wait for it. Never throws. */
  async lookAhead(turn: OpenTurn, answer: Message): Promise<void> {
    const { fullness } = turn;
    if (fullness === null || answer.content === '') return;
    const { room, messages, isOver } = fullness;
    const tokens = fullness.tokens + costOf({ tokens: answer.contentTokens ?? 0 });
    const isNear = tokens > room * NEAR_SHARE || messages > this.config.historyMessages * NEAR_SHARE;
    if (!isNear && !isOver) return;
    for (let step = 0; step < MAX_STEPS; step++) {
      const extension = await this.summaries.extend(taskOf(turn, answer.id, room), new AbortController().signal, false);
      if (extension === null || extension.isWhole) return;
    }
  }

  private async inputOf(turn: OpenTurn, { provider, model }: Asked): Promise<ContextInput> {
    const { prompts, history, summary, pathLength, question, project, request } = turn;
    const window = this.windows.find(model, listerOf(project, provider));
    const answerTokens = request.params.max_output_tokens ?? project.params.max_output_tokens;
    const budget = contextBudget(this.config.contextTokens, window, answerTokens);
    const message = { role: 'user', content: question.parts ?? question.content } as const;
    const asked = { message, tokens: question.contentTokens ?? 0 };
    const input = { prompts, history, summary, pathLength, question: asked, budget };
    const { encoding } = window;
    return encoding === null || encoding === 'o200k_base'
      ? input
      : this.sizes.recount(input, { userId: question.userId, encoding });
  }
}

/** Frees the texts of the input, which a running turn no longer needs. */
function letGo(turn: OpenTurn): void {
  turn.prompts = turn.history = [];
  turn.summary = null;
}

function fullness(
  { history, pathLength, question }: ContextInput,
  summary: Summary | null,
  room: number,
  isOver: boolean,
): Fullness {
  const summarised = summary?.messageCount ?? 0;
  const since = history.filter(({ position }) => position > summarised);
  return {
    room,
    tokens: [...since, question, ...(summary === null ? [] : [summary])].reduce((sum, entry) => sum + costOf(entry), 0),
    // Plus the question and the answer.
    messages: pathLength - summarised + 2,
    isOver,
  };
}

function taskOf({ answer, project, request, contentKey }: OpenTurn, leafId: string, room: number): SummaryTask {
  const { userId, sessionId } = answer;
  return { userId, sessionId, leafId, room, questionTokens: 0, project, contentKey, model: request.model };
}
