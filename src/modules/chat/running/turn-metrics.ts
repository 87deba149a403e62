import { Injectable } from '@nestjs/common';
import { ERROR_CATALOGUE } from '../../../kernel/errors/error-catalogue.js';
import { ANSWERER_NAMES } from '../../../kernel/provider-name.js';
import { type Count, type Measure, Metrics } from '../../../platform/observability/metrics.js';
import type { ProviderAttempt } from '../../llm/public/provider-attempt.js';
import type { LiveTurn } from '../following/live-turn.js';
import type { Outcome } from '../turn.js';

const FIRST_TEXT_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const status = ['completed', 'stopped', 'failed', 'interrupted'];
const code = Object.keys(ERROR_CATALOGUE);
const provider = ANSWERER_NAMES;

/** Metrics of turns. Only the start and the end of a turn are counted, so a running turn has no overhead. */
@Injectable()
export class TurnMetrics {
  private readonly begun: Count<'how'>;
  private readonly ended: Count<'status'>;
  private readonly errors: Count<'code'>;
  private readonly firstText: Measure<'provider'>;
  private readonly attempts: Count<'provider' | 'status'>;
  private readonly attemptErrors: Count<'provider' | 'code'>;
  private readonly tokens: Count<'provider' | 'kind'>;
  private readonly cost: Count<'provider'>;
  private readonly takenOver: Count<never>;
  private readonly lost: Count<never>;

  constructor(private readonly metrics: Metrics) {
    this.begun = metrics.counter('parley_turns_started_total', 'Turns that began to run here.', {
      how: ['opened', 'taken'],
    });
    this.ended = metrics.counter('parley_turns_settled_total', 'Turns that were settled here.', { status });
    this.errors = metrics.counter('parley_turn_errors_total', 'Turns that were settled here with an error.', { code });
    this.firstText = metrics.histogram(
      'parley_turn_first_text_seconds',
      'From the beginning of a turn here to the first text of its answer.',
      FIRST_TEXT_BUCKETS,
      { provider },
    );
    this.attempts = metrics.counter('parley_provider_attempts_total', 'Calls of providers for settled turns.', {
      provider,
      status,
    });
    this.attemptErrors = metrics.counter('parley_provider_errors_total', 'Of these the ones that failed.', {
      provider,
      code,
    });
    this.tokens = metrics.counter('parley_tokens_total', 'Tokens of these calls, as far as they are known.', {
      provider,
      kind: ['input', 'cached_input', 'output'],
    });
    this.cost = metrics.counter(
      'parley_cost_micro_usd_total',
      'Millionths of a US dollar that these calls cost, as far as it is known.',
      { provider },
    );
    this.takenOver = metrics.counter('parley_turn_takeovers_total', 'Turns taken over from another instance.', {});
    this.lost = metrics.counter('parley_turn_leases_lost_total', 'Running turns that were lost to another.', {});
  }

  /** @param count returns the number of turns that run here now */
  watchRunning(count: () => number): void {
    this.metrics.gauge('parley_turns_running', 'Turns that run here.', count);
  }

  /** @param isTakenOver whether the turn comes from the queue or from another instance */
  started(isTakenOver: boolean): void {
    this.begun({ how: isTakenOver ? 'taken' : 'opened' });
  }

  /** @param live null when no model was called */
  settled({ status, errorCode, provider, attempts }: Outcome, live: LiveTurn | null): void {
    this.ended({ status });
    if (errorCode !== null) this.errors({ code: errorCode });
    if (live?.firstTextAt != null) this.firstText({ provider }, (live.firstTextAt - live.begunAt) / 1000);
    for (const attempt of attempts) this.attempted(attempt);
  }

  takeover(): void {
    this.takenOver({});
  }

  leaseLost(): void {
    this.lost({});
  }

  private attempted(attempt: ProviderAttempt): void {
    const { provider, status, errorCode, inputTokens, outputTokens, cachedInputTokens, costMicroUsd } = attempt;
    this.attempts({ provider, status });
    if (errorCode !== null) this.attemptErrors({ provider, code: errorCode });
    this.tokens({ provider, kind: 'input' }, inputTokens ?? 0);
    this.tokens({ provider, kind: 'cached_input' }, cachedInputTokens ?? 0);
    this.tokens({ provider, kind: 'output' }, outputTokens ?? 0);
    if (costMicroUsd !== null) this.cost({ provider }, costMicroUsd);
  }
}
