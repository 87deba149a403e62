/**
 * The types that client.e2e-spec.ts generates from the OpenAPI document stand in test/.generated, which a fresh clone has
 * not. So `npm run typecheck` reads these in their place; the test itself compiles client-program.ts against the real ones.
 */
declare module 'generated-api' {
  /* eslint-disable @typescript-eslint/no-explicit-any */
  export type paths = any;
  export type components = any;
}
