import { defaultSettings, type SettingsGroup } from './settings.js';
import { variablesOf } from './variable.decorator.js';

const WIDTH = 110;

function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`# ${word}`);
  }
  return lines.join('\n');
}

/** The text of `.env.example`: every variable, what it does, and its default. Secrets and variables without a default are commented out. */
export function envExample(groups: readonly SettingsGroup[]): string {
  const defaults = new Map<string, unknown>(Object.entries(defaultSettings(groups)));
  const parts = [
    '# Every setting of the server with its default. Copy this file to .env and change what you need.\n',
    '# Development needs none of them.\n',
  ];
  for (const group of groups) {
    parts.push(`\n# ---- ${group.title} ----\n`);
    for (const { property, name, doc, secret } of variablesOf(group)) {
      const value = defaults.get(property);
      const assignment = value === undefined || secret ? `# ${name}=` : `${name}=${String(value)}`;
      parts.push(`\n${wrapped(doc)}\n${assignment}\n`);
    }
  }
  return parts.join('');
}
