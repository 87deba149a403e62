import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { OutboundConfig } from '../outbound/outbound.config.js';
import { Circuit } from './circuit.js';

/** Permission for one call. The caller reports its result once; for a stream, the result of its start. */
export interface Pass {
  answered(): void;
  /** @param waitMs how long the provider asked callers to wait, in milliseconds; 0 when it did not say */
  failed(waitMs: number): void;
  /** The call ended without showing whether the provider works. */
  abandoned(): void;
}

/** What is called: a name of ours, which may be logged, and the details that distinguish circuits of the same name. */
export interface CircuitSubject {
  readonly name: string;
  readonly details: string;
}

/** A change to tell other instances: the circuit is open for `openMs` from now on, or closed (0). */
export type CircuitChange = (key: string, openMs: number, name: string) => void;

/** Users can invent model names, and each one gets its own circuit, so the number of circuits is bounded. */
const MAX_CIRCUITS = 10_000;

/**
 * The circuits of this instance. `enter` costs no query. Only failing circuits are stored, so while none fails, nothing is
 * looked up. `CircuitsJob` exchanges open circuits with other instances.
 */
@Injectable()
export class Circuits {
  onChange: CircuitChange = () => undefined;
  /** By the hash of the subject, in the order of their first failure; the oldest is removed first. */
  private readonly circuits = new Map<string, Circuit>();

  constructor(
    private readonly clock: Clock,
    private readonly config: OutboundConfig,
  ) {}

  /** Lets a call pass, or returns the milliseconds after which another attempt may be worthwhile. */
  enter(subject: CircuitSubject): Pass | number {
    const key = this.circuits.size === 0 ? null : keyOf(subject);
    const circuit = key === null ? undefined : this.circuits.get(key);
    if (circuit === undefined) return this.pass(subject, false);
    const waitMs = circuit.enter(this.clock.nowMs());
    return waitMs > 0 ? waitMs : this.pass(subject, circuit.isOpen);
  }

  /** An answer whose start was reported as answered is complete. */
  completed(subject: CircuitSubject): void {
    if (this.circuits.size === 0) return;
    const key = keyOf(subject);
    const circuit = this.circuits.get(key);
    circuit?.complete();
    if (circuit?.isForgettable(this.clock.nowMs()) === true) this.circuits.delete(key);
  }

  /** An answer whose start was reported as answered broke off. */
  brokeOff(subject: CircuitSubject): void {
    const key = keyOf(subject);
    const openMs = this.getOrMake(key).breakOff(this.clock.nowMs());
    if (openMs > 0) this.onChange(key, openMs, subject.name);
  }

  /** Applies what another instance has found out. */
  learn(key: string, openMs: number): void {
    if (openMs > 0) this.getOrMake(key).open(this.clock.nowMs() + openMs);
    else this.circuits.get(key)?.close();
  }

  private pass(subject: CircuitSubject, isProbe: boolean): Pass {
    return {
      answered: () => this.answered(subject, isProbe),
      failed: (waitMs) => this.failed(subject, isProbe, waitMs),
      abandoned: () => {
        if (isProbe) this.circuits.get(keyOf(subject))?.abandon();
      },
    };
  }

  private answered(subject: CircuitSubject, isProbe: boolean): void {
    if (this.circuits.size === 0) return;
    const key = keyOf(subject);
    const circuit = this.circuits.get(key);
    if (circuit === undefined) return;
    const nowMs = this.clock.nowMs();
    if (circuit.succeed(nowMs, isProbe)) this.onChange(key, 0, subject.name);
    if (circuit.isForgettable(nowMs)) this.circuits.delete(key);
  }

  private failed(subject: CircuitSubject, isProbe: boolean, waitMs: number): void {
    const key = keyOf(subject);
    const openMs = this.getOrMake(key).fail(this.clock.nowMs(), isProbe, waitMs);
    if (openMs > 0) this.onChange(key, openMs, subject.name);
  }

  private getOrMake(key: string): Circuit {
    let circuit = this.circuits.get(key);
    if (circuit !== undefined) return circuit;
    const { circuitFailures: failures, circuitOpenMs: openMs } = this.config;
    circuit = new Circuit({ failures, openMs });
    this.circuits.set(key, circuit);
    const [oldest] = this.circuits.keys();
    if (this.circuits.size > MAX_CIRCUITS && oldest !== undefined) this.circuits.delete(oldest);
    return circuit;
  }
}

/** Hashed, because the details may contain user input, which must not reach the database. */
function keyOf({ name, details }: CircuitSubject): string {
  return createHash('sha256').update(`${name} ${details}`).digest('base64url');
}
