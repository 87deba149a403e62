/**
 * Loaded into a server with `--import`, tells on the IPC message `memory` what its memory is made of, after two full
 * collections: what is left is in use. Needs `--expose-gc`.
 */
import process from 'node:process';

process.on('message', (message) => {
  if (message !== 'memory') return;
  globalThis.gc();
  globalThis.gc();
  process.send(process.memoryUsage());
});
process.channel?.unref();
