import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FILE = 'sbom.cdx.json';

/** `name@version` of every package of a production installation, on whatever platform, as the lock file says. */
export function productionPackages(root = ROOT) {
  const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'));
  const installed = Object.entries(packages).filter(
    ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional,
  );
  return new Set(
    installed.map(([path, { name, version }]) => `${name ?? path.split('node_modules/').at(-1)}@${version}`),
  );
}

/**
 * The CycloneDX document of `npm sbom`, for production. npm's own `--omit dev` leaves out each package that a development
 * package needs as well (npm 11 loses @nestjs/core that way), so it is asked for everything and cut here.
 */
export async function billOfMaterials(root = ROOT) {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'];
  const options = { cwd: root, maxBuffer: 64 * 1024 * 1024, shell: process.platform === 'win32' };
  const { stdout } = await promisify(execFile)('npm', args, options);
  const bill = JSON.parse(stdout);
  const kept = productionPackages(root);
  const { name, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const isKept = (ref) => kept.has(ref) || ref === `${name}@${version}`;
  // npm takes the name from the folder.
  bill.metadata.component.name = name;
  bill.components = bill.components.filter((component) => isKept(component['bom-ref']));
  bill.dependencies = bill.dependencies
    .filter(({ ref }) => isKept(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(isKept) }));
  return bill;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bill = await billOfMaterials();
  writeFileSync(`${ROOT}${FILE}`, `${JSON.stringify(bill, null, 2)}\n`);
  console.log(`${FILE}: ${bill.components.length} packages`);
}
