// Counts what ARCHITECTURE.md says of the structure, in `src` without tests: `node .ci/figures.mjs`. Fails when a goal is missed.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const MAX_CASTS_PER_1000_LINES = 5;
const MAX_ARROWS_INSIDE_CHAT = 35;

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CHAT = join(ROOT, 'src/modules/chat');
const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !/\.(spec|d)\.ts$/.test(name))
  .map((name) => join(ROOT, 'src', name));

let lines = 0;
let [casts, anys, nonNulls] = [0, 0, 0];
let [longestFile, longestFunction] = [0, 0];
const arrows = new Set();
const rooms = new Set();

/** The folder of chat that a file is in; files directly in chat are rooms of their own. */
const roomOf = (file) => relative(CHAT, file).split('/')[0];

for (const file of files) {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const length = source.getLineAndCharacterOfPosition(source.end).line;
  lines += length;
  longestFile = Math.max(longestFile, length);
  if (file.startsWith(`${CHAT}/`) && !file.endsWith('.module.ts')) rooms.add(roomOf(file));
  const visit = (node) => {
    if (ts.isAsExpression(node) && node.type.getText(source) !== 'const') casts += 1;
    if (node.kind === ts.SyntaxKind.AnyKeyword) anys += 1;
    if (ts.isNonNullExpression(node)) nonNulls += 1;
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      const at = (position) => source.getLineAndCharacterOfPosition(position).line;
      longestFunction = Math.max(longestFunction, at(node.end) - at(node.getStart(source)) + 1);
    }
    if (ts.isImportDeclaration(node) && file.startsWith(`${CHAT}/`) && !file.endsWith('.module.ts')) {
      const target = join(dirname(file), node.moduleSpecifier.text);
      const [from, to] = [roomOf(file), roomOf(target).replace(/\.js$/, '.ts')];
      if (target.startsWith(`${CHAT}/`) && from !== to) arrows.add(`${from} -> ${to}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}

console.log(`lines: ${lines} in ${files.length} files`);
const castsPer1000 = (casts / lines) * 1000;
console.log(`casts per 1,000 lines: ${castsPer1000.toFixed(1)} (${casts})`);
console.log(`any: ${anys}, non-null assertions: ${nonNulls}`);
console.log(`longest file: ${longestFile}, longest function: ${longestFunction} lines`);
console.log(`arrows inside chat: ${arrows.size} between ${rooms.size} rooms`);
if (castsPer1000 > MAX_CASTS_PER_1000_LINES || anys + nonNulls > 0 || arrows.size > MAX_ARROWS_INSIDE_CHAT) {
  console.error('a figure is above its goal, see ARCHITECTURE.md');
  process.exitCode = 1;
}
