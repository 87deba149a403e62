import { defaultConfig, SETTINGS_GROUPS } from '../app-config.js';
import { variablesOf } from '../platform/config/variable.decorator.js';

const BEGIN = '<!-- config-table: written by `npm run config:table` -->';
const END = '<!-- /config-table -->';

/** Every variable with its default and its meaning: one heading and one table in Markdown for each group. */
export function configTable(): string {
  const defaults = new Map<string, unknown>(Object.entries(defaultConfig()));
  return SETTINGS_GROUPS.map((group) => {
    const rows = variablesOf(group).map(
      ({ name, property, doc }) => `| \`${name}\` | ${shown(defaults.get(property))} | ${doc.replaceAll('|', '\\|')} |`,
    );
    return [`## ${group.title}`, '', '| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
  }).join('\n\n');
}

/** The text with its table replaced by the current one. Throws when the text has no place for it. */
export function withConfigTable(text: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`there is no place for the table: ${BEGIN} … ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${configTable()}\n\n${text.slice(end)}`;
}

function shown(value: unknown): string {
  const text = value === undefined ? '' : String(value);
  return text === '' ? '' : `\`${text}\``;
}
