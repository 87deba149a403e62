import { AppConfig } from '../platform/config/app-config.js';
import { variableDefinitions } from '../platform/config/variable.decorator.js';

const BEGIN = '<!-- config-table: written by `npm run config:table` -->';
const END = '<!-- /config-table -->';

/** Every variable with its default and its meaning, as tables of Markdown, one for each group. */
export function configTable(): string {
  const defaults = new AppConfig() as unknown as Record<string, unknown>;
  const groups = new Map<string, string[]>();
  for (const { group, name, property, doc } of variableDefinitions()) {
    const rows = groups.get(group) ?? [];
    groups.set(group, [...rows, `| \`${name}\` | ${shown(defaults[property])} | ${doc.replaceAll('|', '\\|')} |`]);
  }
  return [...groups]
    .map(([group, rows]) => [`| ${group} | default | |`, '|---|---|---|', ...rows].join('\n'))
    .join('\n\n');
}

/** The text with its table replaced by the present one. Throws when it has no place for one. */
export function withConfigTable(text: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`there is no place for the table: ${BEGIN} … ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${configTable()}\n\n${text.slice(end)}`;
}

function shown(value: unknown): string {
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return '';
  return `\`${Array.isArray(value) ? value.join(',') : String(value)}\``;
}
