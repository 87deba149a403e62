import 'reflect-metadata';

/** What the documentation and `.env.example` say about one environment variable. */
export interface VariableDefinition {
  readonly property: string;
  /** The variable's name, derived from the property: `llmIdleTimeoutMs` is read from `LLM_IDLE_TIMEOUT_MS`. */
  readonly name: string;
  readonly group: string;
  /** What it does, its unit, and what happens when it is changed. */
  readonly doc: string;
  readonly type: 'string' | 'number' | 'boolean' | 'list';
  /** Never printed, neither in logs nor in errors. */
  readonly secret: boolean;
}

const definitions: VariableDefinition[] = [];

/** Declares a property of the config class as an environment variable; lists are separated by commas. */
export function Variable(group: string, doc: string, options: { secret?: boolean } = {}): PropertyDecorator {
  return (target, property) => {
    const design: unknown = Reflect.getMetadata('design:type', target, property);
    const type = design === Number ? 'number' : design === Boolean ? 'boolean' : design === Array ? 'list' : 'string';
    const name = String(property)
      .replace(/[A-Z]/g, (letter) => `_${letter}`)
      .toUpperCase();
    definitions.push({ property: String(property), name, group, doc, type, secret: options.secret ?? false });
  };
}

/** All declared variables, in the order of their declaration. */
export function variableDefinitions(): readonly VariableDefinition[] {
  return definitions;
}
