import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ServerConfig } from '../config/server.config.js';

/**
 * The allowed values of each label of a metric; any other value counts as `other`, which bounds the number of series. Null: the
 * caller passes only values from a bounded set.
 */
export type LabelValues<L extends string> = Readonly<Record<L, readonly string[] | null>>;
type Labels<L extends string> = Readonly<Record<L, string | null>>;

/** Adds to a counter. */
export type Count<L extends string> = (labels: Labels<L>, by?: number) => void;
/** Records one measurement, in seconds, in a histogram. */
export type Measure<L extends string> = (labels: Labels<L>, seconds: number) => void;

/**
 * The metrics of this instance, in the Prometheus format. They contain nothing about single users: ids and texts are never
 * labels. Each class creates the metrics that it measures; each name is used once.
 */
@Injectable()
export class Metrics {
  /** Whether the metrics are served. If not, skip measurements that cost more than an addition. */
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
    // The library takes several microseconds to find a series, so it is updated only when the metrics are read.
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

  /** @param buckets upper bounds in seconds; use few, because each one is its own series */
  histogram<L extends string>(name: string, help: string, buckets: number[], values: LabelValues<L>): Measure<L> {
    if (!this.isOn) return () => undefined;
    const labelNames = Object.keys(values);
    const histogram = new Histogram({ name, help, buckets, labelNames, registers: [this.registry] });
    return (labels, seconds) => histogram.observe(bounded(labels, values), seconds);
  }

  /** A number that is read whenever the metrics are read. */
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
