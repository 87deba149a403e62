/**
 * The types that client.e2e-spec.ts generates from the OpenAPI document stand in test/.generated, which a fresh clone has
 * not. So `npm run typecheck` reads this sketch in their place; the test itself compiles client-program.ts against the
 * real ones.
 */
declare module 'generated-api' {
  /* eslint-disable @typescript-eslint/no-explicit-any */
  export type paths = any;

  type ContentPart = { type: 'text'; text: string } | { type: 'image'; url?: string };
  type Message = { status: string; text: string; parts: ContentPart[] };
  type Problem = { code: string; title: string; errors?: { pointer: string }[] };

  export interface components {
    schemas: {
      ErrorCode: string;
      Problem: Problem;
      ContentPart: ContentPart;
      TurnEvent:
        | { type: 'turn.started' | 'turn.completed' | 'turn.stopped'; assistant_message: Message }
        | { type: 'turn.failed'; problem: Problem }
        | { type: 'turn.restarted'; attempt: number }
        | { type: 'message.delta'; text: string };
    };
  }
}
