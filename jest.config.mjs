import { readFileSync } from 'node:fs';
import process from 'node:process';

// Read here and not by SWC itself, which would also leave out the specs that the build leaves out.
const { jsc } = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));

// Before Node 24.9 Jest cannot require() an ES module. Three CommonJS packages in the tree do that;
// tests get the last CommonJS release of each instead.
const [major, minor] = process.versions.node.split('.').map(Number);
const canRequireEsm = major > 24 || (major === 24 && minor >= 9);
const cjsTwins = canRequireEsm
  ? {}
  : { '^cookie$': 'cookie-cjs', '^glob$': 'glob-cjs', '^content-disposition$': 'content-disposition-cjs' };

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testRegex: '\\.(spec|e2e-spec)\\.ts$',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1', ...cjsTwins },
  transform: { '^.+\\.ts$': ['@swc/jest', { swcrc: false, jsc, sourceMaps: true }] },
  coverageProvider: 'v8',
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  maxWorkers: 2,
  testTimeout: 20_000,
  workerIdleMemoryLimit: '1GB',
};
