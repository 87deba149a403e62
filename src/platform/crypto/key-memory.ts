import type { Clock } from '../../kernel/clock.js';

const MOST = 1000;
const KEPT_MS = 60_000;

/** A bounded cache of decrypted keys; the oldest is removed first. A rotation does not change a key, only how it is encrypted. */
export class KeyMemory<K> {
  private readonly keys = new Map<string, { key: K; expiresAtMs: number }>();

  constructor(private readonly clock: Clock) {}

  find(id: string): K | undefined {
    const known = this.keys.get(id);
    return known !== undefined && this.clock.nowMs() < known.expiresAtMs ? known.key : undefined;
  }

  /** Call it only after the commit: a key that was rolled back must never encrypt anything. */
  remember(id: string, key: K): void {
    this.keys.delete(id);
    const [oldest] = this.keys.keys();
    if (oldest !== undefined && this.keys.size >= MOST) this.keys.delete(oldest);
    this.keys.set(id, { key, expiresAtMs: this.clock.nowMs() + KEPT_MS });
  }
}
