import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { OutboundConfig } from '../outbound/outbound.config.js';
import { Circuit } from './circuit.js';

/** A call that was let through; it is told how that went, or how it began where it takes long, once. */
export interface Pass {
  answered(): void;
  /** @param waitMs how long the other side asked to be left alone, in milliseconds; 0 when it did not say */
  failed(waitMs: number): void;
  /** It ended without telling whether the other side is well. */
  abandoned(): void;
}

/** What is called: by a name of ours, which the log may tell, and by what else makes it another circuit. */
export interface CircuitSubject {
  readonly name: string;
  readonly details: string;
}

/** What there is to tell other instances: the circuit is open for so many milliseconds from now on, or closed (0). */
export type CircuitChange = (key: string, openMs: number, name: string) => void;

/** As each model that a user makes up is another circuit, there is an end to what is remembered. */
const MAX_CIRCUITS = 10_000;

/**
 * The circuits of this instance. Asking costs no query: only what fails is remembered, and nothing is looked up as long as
 * nothing does. `CircuitsJob` tells other instances what is open and learns it from them.
 */
@Injectable()
export class Circuits {
  onChange: CircuitChange = () => undefined;
  /** By the hash of the subject, the ones with failures first to be forgotten first. */
  private readonly circuits = new Map<string, Circuit>();

  constructor(
    private readonly clock: Clock,
    private readonly config: OutboundConfig,
  ) {}

  /** Lets a call through, or says in how many milliseconds it may be worth another try. */
  enter(subject: CircuitSubject): Pass | number {
    const key = this.circuits.size === 0 ? null : keyOf(subject);
    const circuit = key === null ? undefined : this.circuits.get(key);
    if (circuit === undefined) return this.pass(subject, false);
    const waitMs = circuit.enter(this.clock.nowMs());
    return waitMs > 0 ? waitMs : this.pass(subject, circuit.isOpen);
  }

  /** An answer of whose beginning a pass was told came to its end. */
  completed(subject: CircuitSubject): void {
    if (this.circuits.size === 0) return;
    const key = keyOf(subject);
    const circuit = this.circuits.get(key);
    circuit?.complete();
    if (circuit?.isForgettable(this.clock.nowMs()) === true) this.circuits.delete(key);
  }

  /** Such an answer broke off in the middle. */
  brokeOff(subject: CircuitSubject): void {
    const key = keyOf(subject);
    const openMs = this.getOrMake(key).breakOff(this.clock.nowMs());
    if (openMs > 0) this.onChange(key, openMs, subject.name);
  }

  /** What another instance has found out. */
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

/** Details may hold what users wrote, which is nobody's business elsewhere. */
function keyOf({ name, details }: CircuitSubject): string {
  return createHash('sha256').update(`${name} ${details}`).digest('base64url');
}
