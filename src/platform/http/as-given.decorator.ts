const FIELDS = Symbol('fields as given');

/**
 * Hands a field to its rules as it stands in the JSON. class-transformer rebuilds objects on the way: it drops some names
 * (`constructor`), fails on others, and recurses as deep as a client likes.
 */
export function AsGiven(): PropertyDecorator {
  return ({ constructor }, name) =>
    Reflect.defineMetadata(FIELDS, [...fieldsAsGiven(constructor), String(name)], constructor);
}

/** The fields of a DTO class that are taken as given. */
export function fieldsAsGiven(type: object): readonly string[] {
  return (Reflect.getMetadata(FIELDS, type) as readonly string[] | undefined) ?? [];
}
