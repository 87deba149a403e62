/**
 * Parley without limits, budgets, ledger and known prompts, to see what these cost: a copy of the build in which the
 * statements of a turn do not call them, and nothing else is changed. It is not a product: it charges for nothing.
 */
import { cpSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { patch } from '../../test/support/patch-program.mjs';
import { ROOT } from '../harness.mjs';

const CHAT = 'modules/chat/';
const CHANGES = [
  patch(
    `${CHAT}storage/context-statements.js`,
    /const ADMITTED = `, measured as[^]*?\} r`;/,
    'const ADMITTED = "select * from context";',
  ),
  patch(`${CHAT}storage/context-statements.js`, /const ADMIT_VALUES = \{[^}]*\}/, 'const ADMIT_VALUES = READ_VALUES'),
  patch(`${CHAT}storage/turn-statements.js`, /with settled as materialized[^]*?\), turn as \(/, 'with turn as ('),
  patch(
    `${CHAT}storage/turn-statements.js`,
    'delete from turns t using (select count(*) from settled) s',
    'delete from turns t',
  ),
  patch(
    `${CHAT}storage/turn-statements.js`,
    /, entries as \([^]*?returning cost_micro_usd, status, input_tokens\n\)/,
    '',
  ),
  patch(`${CHAT}storage/turn-statements.js`, /cost_micro_usd = \([^]*?from entries e\)/, 'cost_micro_usd = null'),
  patch(`${CHAT}storage/turn-statements.js`, /projectId: uuid,\s*calls: json,\s*usedTokens: nullable\(int\)/, ''),
  patch(`${CHAT}storage/known-prompts.js`, /find\(tenant, [^)]*\) \{/, '$& return null;'),
];

/** Writes the copy into an existing directory and returns it, as a checkout for `parley(root)`. */
export function makeBare(root) {
  cpSync(join(ROOT, 'dist'), join(root, 'dist'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'), 'junction');
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  for (const change of CHANGES) change(root);
  return root;
}
