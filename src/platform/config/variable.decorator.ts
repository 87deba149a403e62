import 'reflect-metadata';

/** What the documentation and `.env.example` say about one environment variable. */
export interface VariableDefinition {
  readonly property: string;
  /** The variable's name, derived from the property: `llmIdleTimeoutMs` is read from `LLM_IDLE_TIMEOUT_MS`. */
  readonly name: string;
  /** What it does, its unit, and the effect of a change. */
  readonly doc: string;
  readonly type: 'string' | 'number' | 'boolean' | 'list';
  /** Never printed, neither in logs nor in errors. */
  readonly secret: boolean;
}

/** Keyed by the prototype of the declaring class. */
const definitions = new WeakMap<object, VariableDefinition[]>();

/** Declares a property of a settings group as an environment variable; lists are separated by commas. */
export function Variable(doc: string, options: { secret?: boolean } = {}): PropertyDecorator {
  return (target, property) => {
    const design: unknown = Reflect.getMetadata('design:type', target, property);
    const type = design === Number ? 'number' : design === Boolean ? 'boolean' : design === Array ? 'list' : 'string';
    const name = String(property)
      .replace(/[A-Z]/g, (letter) => `_${letter}`)
      .toUpperCase();
    const variable = { property: String(property), name, doc, type, secret: options.secret ?? false } as const;
    definitions.set(target, [...(definitions.get(target) ?? []), variable]);
  };
}

/** The variables that a settings class declares, in their order. */
export function variablesOf(group: { readonly prototype: object }): readonly VariableDefinition[] {
  return definitions.get(group.prototype) ?? [];
}
