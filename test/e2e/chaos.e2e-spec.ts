import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('../chaos/run.mjs', import.meta.url));
/** The seed, when the run was asked for. */
const seed = process.env.PARLEY_CHAOS ?? '';

/** The short form of `npm run chaos`; what it checks, and that it can fail, is in test/chaos. */
describe('chaos', () => {
  if (seed === '') {
    it.skip('survives instances being killed (runs with PARLEY_CHAOS=1)', () => undefined);
    return;
  }

  it('survives kills, a restart of PostgreSQL and cut connections with every invariant intact', async () => {
    const out = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? '', 'chaos-'));
    const { code, output } = await run([
      ...['--seed', seed],
      ...['--minutes', '0.4', '--turns', '100', '--kills', '3', '--restarts', '1', '--out', out],
    ]);
    if (code !== 0) throw new Error(output);
    const result = JSON.parse(readFileSync(join(out, `chaos-seed-${seed}.json`), 'utf8')) as {
      table: Record<string, unknown>;
    };
    expect(result.table).toMatchObject({ lost: 0, doubled: 0, stuck: 0, gaps: 0, 'PostgreSQL restarts': 1 });
    expect(result.table.turns).toBeGreaterThanOrEqual(100);
  }, 240_000);
});

function run(args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((done) => child.once('close', (code) => done({ code, output })));
}
