import { readFileSync, writeFileSync } from 'node:fs';
import { envExample } from '../platform/config/env-example.js';
import { withConfigTable } from './config-table.js';

export function configExampleCommand(file: string): void {
  writeFileSync(file, envExample());
  console.log(`Wrote ${file}`);
}

export function configTableCommand(file: string): void {
  writeFileSync(file, withConfigTable(readFileSync(file, 'utf8')));
  console.log(`Wrote the table in ${file}`);
}
