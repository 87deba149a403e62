/**
 * Loaded into a server with `--import`, answers questions by IPC. `memory`: what its memory is made of, after two full
 * collections: what is left is in use (needs `--expose-gc`). `loop-delay`: how late the event loop was since the last time it
 * was asked, in milliseconds.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';

const RESOLUTION_MS = 5;
let delay;

process.on('message', (message) => {
  if (message === 'memory') {
    globalThis.gc();
    globalThis.gc();
    process.send(process.memoryUsage());
  }
  if (message === 'loop-delay') {
    const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    process.send(delay === undefined ? null : { p99: late(delay.percentile(99)), max: late(delay.max) });
    delay ??= monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    delay.reset();
    delay.enable();
  }
});
process.channel?.unref();
