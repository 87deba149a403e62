import { spawnSync } from 'node:child_process';
import process from 'node:process';

// Asks the registry which packages of production are known to be vulnerable. Code 1 when one is that nobody has explained.

/** Advisories that do not touch us, by the address npm gives, and why. Whoever adds one says what would change that. */
const EXPLAINED = {};

const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
  encoding: 'utf8',
  shell: process.platform === 'win32',
  timeout: 60_000,
});
const report = read(stdout);
if (report?.vulnerabilities === undefined) {
  console.log('npm audit: not asked, this registry answers no audits; docs/dependencies.md says how to ask elsewhere');
} else {
  const found = Object.values(report.vulnerabilities).flatMap(({ name, via }) =>
    via.filter((cause) => typeof cause === 'object').map(({ url, title }) => ({ name, url, title })),
  );
  const open = found.filter(({ url }) => !(url in EXPLAINED));
  for (const { name, url, title } of open) console.log(`${name}: ${title} ${url}`);
  console.log(`npm audit: ${open.length} open, ${found.length - open.length} explained`);
  process.exitCode = open.length > 0 ? 1 : 0;
}

function read(text) {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
