import { getMetadataStorage, ValidationTypes } from 'class-validator';

type Fields = Readonly<Record<string, unknown>>;
type Metadata = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];
/** A condition for the rules of a field, as class-validator calls it. */
type Condition = (object: Fields, value: unknown) => unknown;
type Rule = (value: unknown, object: Fields) => boolean;
/** The rules of a class, by field name. */
type Rules = ReadonlyMap<string, Rule>;

const compiled = new WeakMap<object, Rules | null>();

/**
 * Whether the object is certainly valid: it has no field without rules, and it meets the class-validator rules that its class
 * and the classes of its nested objects had when they were first used. False proves nothing: ask class-validator, which also
 * says what is wrong. class-validator collects and groups its metadata for each object, which costs more than the rules
 * themselves. Throws if a rule throws.
 */
export function isSurelyValid(object: object): boolean {
  const rules = rulesOf(object.constructor);
  if (rules === null) return false;
  const fields = object as Fields;
  for (const name of Object.keys(fields)) if (!rules.has(name)) return false;
  for (const [name, rule] of rules) if (!rule(fields[name], fields)) return false;
  return true;
}

/** Null for a class without rules, or with metadata that this file does not support. */
function rulesOf(type: unknown): Rules | null {
  // The object may have a field named constructor.
  if (typeof type !== 'function') return null;
  let rules = compiled.get(type);
  if (rules === undefined) compiled.set(type, (rules = compile(type)));
  return rules;
}

function compile(type: NonNullable<Metadata['constraintCls']>): Rules | null {
  const storage = getMetadataStorage();
  const metadata = storage.getTargetValidationMetadatas(type, type.name, false, false);
  if (metadata.length === 0 || !metadata.every(isKnown)) return null;
  const fields = Object.entries(storage.groupByPropertyName(metadata));
  return new Map(fields.map(([name, ofField]) => [name, ruleOf(ofField)]));
}

const KNOWN = new Set([
  ValidationTypes.CUSTOM_VALIDATION,
  ValidationTypes.NESTED_VALIDATION,
  ValidationTypes.CONDITIONAL_VALIDATION,
  ValidationTypes.WHITELIST,
]);

/** Whether the rule is of a supported kind, applies to every group, and is synchronous. */
function isKnown({ type, groups, always, validateIf, constraintCls }: Metadata): boolean {
  if (!KNOWN.has(type) || (groups ?? []).length > 0 || always !== undefined || validateIf !== undefined) return false;
  return getMetadataStorage()
    .getTargetValidatorConstraints(constraintCls)
    .every(({ async }) => !async);
}

function ruleOf(metadata: readonly Metadata[]): Rule {
  const of = (wanted: string): Metadata[] => metadata.filter(({ type }) => type === wanted);
  const conditions = of(ValidationTypes.CONDITIONAL_VALIDATION).map(({ constraints }) => constraints[0] as Condition);
  const rules = of(ValidationTypes.CUSTOM_VALIDATION).flatMap(customRules);
  if (of(ValidationTypes.NESTED_VALIDATION).length > 0) rules.push(isNestedValid);
  return (value, object) => {
    for (const condition of conditions) if (!condition(object, value)) return true;
    for (const rule of rules) if (!rule(value, object)) return false;
    return true;
  };
}

function customRules({ constraintCls, constraints, propertyName: property, each }: Metadata): Rule[] {
  const validators = getMetadataStorage().getTargetValidatorConstraints(constraintCls);
  return validators.map(({ instance }) => {
    const holds = (item: unknown, value: unknown, object: object): boolean =>
      // A promise is not `true`, so class-validator also handles asynchronous rules that are not declared as such.
      instance.validate(item, { targetName: object.constructor.name, property, object, value, constraints }) === true;
    if (!each) return (value, object) => holds(value, value, object);
    return (value, object) => {
      if (Array.isArray(value)) return value.every((item) => holds(item, value, object));
      // A Set or a Map has items too; class-validator handles it.
      return (typeof value !== 'object' || value === null) && holds(value, value, object);
    };
  });
}

function isNestedValid(value: unknown): boolean {
  if (value === undefined) return true;
  return Array.isArray(value) ? value.every(isItemValid) : isItemValid(value);
}

const isItemValid = (item: unknown): boolean => typeof item === 'object' && item !== null && isSurelyValid(item);
