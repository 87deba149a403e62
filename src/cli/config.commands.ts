import { readFileSync, writeFileSync } from 'node:fs';
import { SETTINGS_GROUPS } from '../app-config.js';
import { envExample } from '../platform/config/env-example.js';
import { withConfigTable } from './config-table.js';

export function configExampleCommand(file: string): void {
  writeFileSync(file, envExample(SETTINGS_GROUPS));
  console.log(`Wrote ${file}`);
}

export function configTableCommand(file: string): void {
  writeFileSync(file, withConfigTable(readFileSync(file, 'utf8')));
  console.log(`Wrote the tables in ${file}`);
}
