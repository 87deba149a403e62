import { AppConfig } from './app-config.js';
import { variableDefinitions } from './variable.decorator.js';

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

/** The text of `.env.example`: every variable, what it does, and its default; secrets and variables without one are commented out. */
export function envExample(): string {
  const defaults = new AppConfig() as unknown as Record<string, unknown>;
  const parts = [
    '# Every setting of the server. Copy to .env and change what you need; nothing here is required in development.\n',
  ];
  let group = '';
  for (const variable of variableDefinitions()) {
    if (variable.group !== group) {
      group = variable.group;
      parts.push(`\n# ---- ${group} ----\n`);
    }
    const value = defaults[variable.property];
    const assignment =
      value === undefined || variable.secret
        ? `# ${variable.name}=`
        : `${variable.name}=${Array.isArray(value) ? value.join(',') : String(value)}`;
    parts.push(`\n${wrapped(variable.doc)}\n${assignment}\n`);
  }
  return parts.join('');
}
