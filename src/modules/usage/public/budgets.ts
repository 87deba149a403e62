import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../../platform/config/app-config.js';
import type { BudgetState, Limits } from '../budget-state.js';
import { BudgetsRepository } from '../budgets.repository.js';

export type { BudgetState, Limits };

/** From 80 % on a budget says so. */
export interface BudgetWarning {
  readonly budget: 'account' | 'project';
  readonly period: 'day' | 'month';
  /** In millionths of a US dollar, as is what is used: spent, and reserved by turns that run. */
  readonly limit: number;
  readonly used: number;
}

/** What a chat template wraps a prompt in. */
const TOKENS_PER_PROMPT = 4;

/**
 * The call, as SQL, that reserves the worst case of the turn that its transaction has opened in all budgets that apply, until
 * the turn is gone. It refuses the transaction with `quota_exceeded` or `price_unknown`, and gives a row with warnings when a
 * budget applies.
 * The statement that uses it has a parameter `:userId`.
 * @param turn expressions; `contextTokens` of what the model will be sent beside the prompts and the text of the question
 */
export const reserveBudgets = (turn: { answer: string; rules: string; contextTokens: string }): string =>
  `reserve_budgets(:userId, ${turn.answer}, ${turn.rules}, ${turn.contextTokens})`;

/** Whether there is money left for a turn, and how much an account may have. */
@Injectable()
export class Budgets {
  /** For `reserveBudgets`, as JSON. */
  readonly rules: string;

  constructor(
    private readonly budgets: BudgetsRepository,
    config: AppConfig,
  ) {
    this.rules = JSON.stringify({
      provider: config.llmProvider ?? 'offline',
      models: { openai: config.openaiModel, openrouter: config.openrouterModel, offline: 'offline' },
      tokensPerPrompt: TOKENS_PER_PROMPT,
      outputTokens: config.budgetOutputTokens,
      contextTokens: config.contextTokens,
      takesUnpriced: config.budgetUnpricedModels === 'allow',
    });
  }

  /** The budget of an account, in a unit of work of its user. */
  ofAccount(userId: string): Promise<BudgetState> {
    return this.budgets.get(userId, null);
  }

  /** Sets how much an account may spend at most, whatever its user says; in a unit of work of that user. */
  async setCaps(userId: string, caps: Limits): Promise<void> {
    await this.budgets.putCaps(userId, caps);
  }
}
