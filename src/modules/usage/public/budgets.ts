import { Injectable } from '@nestjs/common';
import type { BudgetState, Limits } from '../budget-state.js';
import { BudgetsRepository } from '../budgets.repository.js';
import { TurnDefaults } from './turn-defaults.js';
import { UsageConfig } from './usage.config.js';

export type { BudgetState, Limits };

/** A warning for a budget of which 80 % or more is used. */
export interface BudgetWarning {
  readonly budget: 'account' | 'project';
  readonly period: 'day' | 'month';
  /** In millionths of a US dollar, like `used`, which includes the reservations of running turns. */
  readonly limit: number;
  readonly used: number;
}

/** The tokens that a chat template adds to each prompt. */
const TOKENS_PER_PROMPT = 4;

/**
 * SQL that reserves the worst-case cost of the turn that its transaction has opened, in all budgets that apply, until
 * the turn is deleted. It fails the transaction with `quota_exceeded` or `price_unknown`, and returns a row with
 * warnings when a budget applies. The statement that uses it has a parameter `:userId`.
 * @param turn SQL expressions; `contextTokens` counts the input except the prompts and the text of the question
 */
export const reserveBudgets = (turn: { answer: string; rules: string; contextTokens: string }): string =>
  `reserve_budgets(:userId, ${turn.answer}, ${turn.rules}, ${turn.contextTokens})`;

/** Budget rules for turns, and the caps of accounts. */
@Injectable()
export class Budgets {
  /** The `rules` of `reserveBudgets`, as JSON. */
  readonly rules: string;

  constructor(
    private readonly budgets: BudgetsRepository,
    config: UsageConfig,
    turn: TurnDefaults,
  ) {
    this.rules = JSON.stringify({
      provider: turn.llmProvider ?? 'offline',
      models: { openai: turn.openaiModel, openrouter: turn.openrouterModel, offline: 'offline' },
      tokensPerPrompt: TOKENS_PER_PROMPT,
      outputTokens: config.budgetOutputTokens,
      contextTokens: turn.contextTokens,
      takesUnpriced: config.budgetUnpricedModels === 'allow',
    });
  }

  /** The budget of an account. Call it in a unit of work of its user. */
  ofAccount(userId: string): Promise<BudgetState> {
    return this.budgets.get(userId, null);
  }

  /** Sets the most that an account may spend, whatever limits its user sets. Call it in a unit of work of that user. */
  async setCaps(userId: string, caps: Limits): Promise<void> {
    await this.budgets.putCaps(userId, caps);
  }
}
