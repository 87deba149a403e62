import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ServerConfig } from '../config/server.config.js';

/**
 * What each label of a metric may say; anything else counts as `other`, so that there are never more series than are
 * foreseen. Null: whoever counts says only what is bounded in itself.
 */
export type LabelValues<L extends string> = Readonly<Record<L, readonly string[] | null>>;
type Labels<L extends string> = Readonly<Record<L, string | null>>;

/** Adds to a number that only grows. */
export type Count<L extends string> = (labels: Labels<L>, by?: number) => void;
/** Puts one measurement, in seconds, into its bucket. */
export type Measure<L extends string> = (labels: Labels<L>, seconds: number) => void;

/**
 * What this instance counts and measures, in the format of Prometheus. It says nothing of single users: no id and no word of
 * theirs is ever a label. Whoever knows a number makes its metric here; each name once.
 */
@Injectable()
export class Metrics {
  /** Whether anybody can read them. What costs more than an addition is not done otherwise. */
  readonly isOn: boolean;
  readonly contentType: string;
  private readonly registry = new Registry();

  constructor({ metricsPort }: ServerConfig) {
    this.isOn = metricsPort !== undefined;
    this.contentType = this.registry.contentType;
    if (this.isOn) collectDefaultMetrics({ register: this.registry });
  }

  counter<L extends string>(name: string, help: string, values: LabelValues<L>): Count<L> {
    if (!this.isOn) return () => undefined;
    // The library takes several microseconds to find a series, so it is asked for that only when somebody reads.
    const series = new Map<string, { labels: Record<string, string>; sum: number }>();
    const counter: Counter = new Counter({
      name,
      help,
      labelNames: Object.keys(values),
      registers: [this.registry],
      collect: () => {
        counter.reset();
        for (const { labels, sum } of series.values()) counter.inc(labels, sum);
      },
    });
    return (given, by = 1) => {
      const labels = bounded(given, values);
      const key = Object.values(labels).join(' ');
      const one = series.get(key);
      if (one === undefined) series.set(key, { labels, sum: by });
      else one.sum += by;
    };
  }

  /** @param buckets upper bounds in seconds; a few, each is a series of its own */
  histogram<L extends string>(name: string, help: string, buckets: number[], values: LabelValues<L>): Measure<L> {
    if (!this.isOn) return () => undefined;
    const labelNames = Object.keys(values);
    const histogram = new Histogram({ name, help, buckets, labelNames, registers: [this.registry] });
    return (labels, seconds) => histogram.observe(bounded(labels, values), seconds);
  }

  /** A number that is asked for whenever somebody reads the metrics. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.registry],
      collect: async () => gauge.set(await read()),
    });
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}

function bounded<L extends string>(labels: Labels<L>, values: LabelValues<L>): Record<string, string> {
  const said: Record<string, string> = {};
  for (const name in values) {
    const [value, allowed] = [labels[name], values[name]];
    said[name] = value !== null && (allowed === null || allowed.includes(value)) ? value : 'other';
  }
  return said;
}
