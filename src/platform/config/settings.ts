import { validateSync } from 'class-validator';
import { type VariableDefinition, variablesOf } from './variable.decorator.js';

/** A class of settings: its properties are environment variables (`@Variable`) with their checks and defaults. */
export interface SettingsGroup<T extends object = object> {
  readonly prototype: T;
  new (): T;
  /** The heading of the group in the documentation. */
  readonly title: string;
  /** Checks that need several settings, or production: one line per problem, which names the variable and no value. */
  problems?(settings: T, isProduction: boolean): string[];
}

type Intersection<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void ? I : never;

/** All settings of the groups in one object, which can be passed wherever one of the groups is expected. */
export type Settings<G extends readonly SettingsGroup[]> = Intersection<InstanceType<G[number]>>;

/** Settings that the server cannot start with: one line per variable, each naming the variable. Never a value. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

/** The settings of an empty environment. */
export function defaultSettings<G extends readonly SettingsGroup[]>(groups: G): Settings<G> {
  return Object.assign({}, ...groups.map((Group) => new Group()));
}

/**
 * Reads, converts and checks the environment; an empty variable counts as absent. Throws `ConfigError` with all problems
 * of all groups at once.
 * @param check for settings of several groups together: one line per problem
 */
export function loadSettings<G extends readonly SettingsGroup[]>(
  env: Readonly<Record<string, string | undefined>>,
  groups: G,
  check: (settings: Settings<G>) => string[],
): Settings<G> {
  const isProduction = env.NODE_ENV?.trim() === 'production';
  const loaded = groups.map((Group) => {
    const settings = new Group();
    for (const variable of variablesOf(Group)) {
      const raw = env[variable.name];
      if (raw !== undefined && raw.trim() !== '')
        Object.assign(settings, { [variable.property]: parse(raw, variable) });
    }
    return { settings, problems: problemsOf(Group, settings, isProduction) };
  });
  const all: Settings<G> = Object.assign({}, ...loaded.map(({ settings }) => settings));
  const problems = [...loaded.flatMap((group) => group.problems), ...check(all)];
  if (problems.length > 0) throw new ConfigError(problems);
  return all;
}

function problemsOf(group: SettingsGroup, settings: object, isProduction: boolean): string[] {
  const nameOf = new Map(variablesOf(group).map(({ property, name }) => [property, name]));
  const wrong = validateSync(settings).map(
    ({ property, constraints }) => `${nameOf.get(property)}: ${Object.values(constraints ?? {}).join('; ')}`,
  );
  return [...wrong, ...(group.problems?.(settings, isProduction) ?? [])];
}

function parse(raw: string, { type }: VariableDefinition): unknown {
  switch (type) {
    case 'number':
      return /^-?\d+$/.test(raw.trim()) ? Number(raw) : Number.NaN;
    case 'boolean':
      return raw === 'true' || raw === '1' ? true : raw === 'false' || raw === '0' ? false : raw;
    case 'list':
      return raw
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'string':
      return raw.trim();
  }
}
