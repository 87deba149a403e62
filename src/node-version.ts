const NEEDED = { major: 20, minor: 19 };

/**
 * The message for a person whose Node.js is too old for this server, or undefined if it is new enough.
 * `version` is three numbers separated by dots. This file imports nothing, so that an old Node.js can still run it.
 */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > NEEDED.major || (major === NEEDED.major && minor >= NEEDED.minor)) return undefined;
  const needed = `${NEEDED.major}.${NEEDED.minor}`;
  return `Parley needs Node.js ${needed} or newer, this is ${version}. Install one from https://nodejs.org or by \`nvm install\`, then start again.`;
}
