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

/** How full the context may be before a summary is made ahead of need, as a share of what there is room for. */
const NEAR_SHARE = 0.8;
/** Summaries in a row after one turn, where a long session has none yet. */
const MAX_STEPS = 3;

/** Whom a turn asks. */
export interface Asked {
  readonly provider: LlmProvider;
  readonly model: string;
  readonly isOwnKey: boolean;
}

/** What the model of a turn gets to read, within its window; and summaries, where the project wants them. */
@Injectable()
export class TurnContexts {
  constructor(
    private readonly windows: ModelWindows,
    private readonly sizes: TextSizes,
    private readonly summaries: SessionSummaries,
    private readonly config: ChatConfig,
  ) {}

  /** With what is there. Made once, and then the turn lets go of it: it may be a hundred times as large as the rest. */
  async build(turn: OpenTurn, asked: Asked): Promise<Context> {
    const input = await this.inputOf(turn, asked);
    letGo(turn);
    return buildContext(input);
  }

  /**
   * The same; where something would be left out that can be summed up, it waits for that.
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

  /** Which models, by their windows, could take over with a context that was made for the one asked. */
  roomElsewhere(
    { inputTokens }: Context,
    { project }: OpenTurn,
    { provider, model }: Asked,
    { max_output_tokens: answerTokens }: LlmParams,
  ): (window: ModelWindow) => boolean {
    const { encoding } = this.windows.find(model, listerOf(project, provider));
    return (window) => hasRoomFor({ inputTokens, encoding, answerTokens }, window);
  }

  /** After a turn: makes the summary that its next one would have to wait for. Never throws. */
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

/** A turn that runs needs none of what its model reads. */
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
    // The answer, too.
    messages: pathLength - summarised + 2,
    isOver,
  };
}

function taskOf({ answer, project, request, contentKey }: OpenTurn, leafId: string, room: number): SummaryTask {
  const { userId, sessionId } = answer;
  return { userId, sessionId, leafId, room, questionTokens: 0, project, contentKey, model: request.model };
}
