/**
 * Loaded into a server with `--import`; answers requests over IPC. `memory`: the parts of its memory after two full
 * garbage collections, so the rest is in use (needs `--expose-gc`). `loop-delay`: the delay of the event loop since the last
 * request, in milliseconds.
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
