const FIELDS = Symbol('fields as given');

/**
 * Passes a field to its rules unchanged, as in the JSON. class-transformer would rebuild the object: it drops some names
 * (`constructor`), fails on others, and recurses as deeply as the client likes.
 */
export function AsGiven(): PropertyDecorator {
  return ({ constructor }, name) =>
    Reflect.defineMetadata(FIELDS, [...fieldsAsGiven(constructor), String(name)], constructor);
}

/** The fields of a DTO class that are passed unchanged. */
export function fieldsAsGiven(type: object): readonly string[] {
  return (Reflect.getMetadata(FIELDS, type) as readonly string[] | undefined) ?? [];
}
