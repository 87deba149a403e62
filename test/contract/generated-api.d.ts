/**
 * The types that client.e2e-spec.ts generates from the OpenAPI document stand in test/.generated, which a fresh clone has
 * not. So `npm run typecheck` reads this sketch in their place; the test itself compiles client-program.ts against the
 * real ones.
 */
declare module 'generated-api' {
  /* eslint-disable @typescript-eslint/no-explicit-any */
  export type paths = any;

  type Event<Name extends string> = { id: string; event: Name; data: any };

  export interface components {
    schemas: {
      ErrorCode: string;
      Problem: { code: string; title: string; errors?: { pointer: string }[] };
      Message: { content: string | ({ type: 'text'; text: string } | { type: 'image_url'; image_url: any })[] };
      TurnEvent: Event<
        'turn.started' | 'message.delta' | 'turn.restarted' | 'turn.completed' | 'turn.stopped' | 'turn.failed'
      >;
    };
  }
}
