import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { makeBare } = (await import(new URL('../../bench/peers/bare.mjs', import.meta.url).href)) as {
  makeBare(root: string): string;
};

/** That it chats is tried by `npm run bench -- --peer parley-bare`; this keeps its list of changes from going out of date. */
describe('the bare peer of the bench', () => {
  it('replaces existing code, and its statements can be loaded', async () => {
    const root = mkdtempSync(join(tmpdir(), 'bare-'));
    try {
      makeBare(root);
      const storage = pathToFileURL(join(root, 'dist/src/modules/chat/storage/')).href;
      for (const file of ['context-statements.js', 'turn-statements.js'])
        await expect(import(`${storage}${file}`)).resolves.toBeDefined();
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
