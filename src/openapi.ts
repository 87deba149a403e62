import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, getSchemaPath, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Scope } from './kernel/actor.js';
import { ERROR_CATALOGUE } from './kernel/errors/error-catalogue.js';
import type { AppConfig } from './app-config.js';
import { Problem } from './platform/http/problem.js';
import { TURN_EVENT_MODELS, turnEventSchema } from './modules/chat/public/turn-event.dto.js';
import { PROBLEM_JSON } from './platform/http/api-problems.decorator.js';
import { SCOPES_EXTENSION } from './platform/http/scope.decorator.js';

/** One tag a module, in the order in which a newcomer meets them. */
const TAGS = {
  Auth: 'Accounts and sign-ins.',
  Users: 'The signed-in user.',
  Projects: 'What conversations are about: prompts, model and settings.',
  Prompts: 'System prompts of a project, in order.',
  Chat: 'Turns, sessions and messages.',
  Usage: 'What was used, what it cost, and how much may be spent.',
  Admin: 'Accounts and usage of everybody, for admins.',
  Llm: 'The model provider of this server.',
  Health: 'For load balancers and people on call.',
};

/** The contract as a document (OpenAPI 3.1): what `/openapi.json` serves, what is checked in, and what clients are generated from. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Parley')
    .setDescription(
      'Chat backend: users, projects with ordered system prompts, and durable conversations with a language model.',
    )
    .setVersion('0.1.0')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addServer('/')
    .addOAuth2(
      {
        type: 'oauth2',
        description: 'With a second factor, put its code into client_secret.',
        flows: { password: { tokenUrl: '/auth/login', refreshUrl: '/auth/refresh', scopes: {} } },
      },
      'password',
    )
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }, 'bearer')
    .addSecurity('api_key', {
      type: 'http',
      scheme: 'bearer',
      description:
        'An API key (`prk_…`) where a token goes, on routes that name a scope: `chat` (hold conversations), `read`, `manage` (make, change, remove).',
    })
    .addSecurityRequirements('bearer')
    .addSecurityRequirements('password');
  for (const [name, description] of Object.entries(TAGS)) builder.addTag(name, description);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    extraModels: [Problem, ...TURN_EVENT_MODELS],
  });
  Object.assign(document.components?.schemas ?? {}, { TurnEvent: turnEventSchema });
  addCommonParts(document);
  return document;
}

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'Made anew for each intention: the same request with the same key is done once and answered alike.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

/** What the platform does for any route: it asks for a token or a key with the right scope, keeps writes from happening twice, and reports errors. */
function addCommonParts({ paths, components }: OpenAPIObject): void {
  const content = { [PROBLEM_JSON]: { schema: { $ref: getSchemaPath(Problem) } } };
  for (const [method, operation] of Object.values(paths).flatMap((path) =>
    Object.entries(path as Record<string, Operation>),
  )) {
    const { requestBody: body } = operation;
    const { $ref = '' } = body?.content['application/json']?.schema ?? {};
    const schema = components?.schemas?.[$ref.split('/').at(-1) as string];
    // Where every field may be left out, so may the body.
    if (body !== undefined && schema !== undefined && !('required' in schema)) body.required = false;
    operation.responses.default = { description: 'Any other error; `code` says which.', content };
    // An open route knows nobody, whose token or key it could be.
    if (operation.security?.length === 0) continue;
    const scopes = operation[SCOPES_EXTENSION];
    if (scopes !== undefined) operation.security = [{ bearer: [] }, { password: [] }, { api_key: scopes }];
    const refusal = scopes === undefined ? 'sign_in_required' : 'insufficient_scope';
    operation.responses['403'] ??= { description: `\`${refusal}\`: ${ERROR_CATALOGUE[refusal].title}.`, content };
    operation.responses['401'] ??= { description: '`unauthenticated`: A valid access token is needed.', content };
    if (method !== 'get') operation.parameters.push(idempotencyKey);
  }
}

interface Operation {
  security?: unknown[];
  readonly [SCOPES_EXTENSION]?: readonly Scope[];
  readonly requestBody?: {
    required?: boolean;
    readonly content: Record<string, { readonly schema: { $ref?: string } }>;
  };
  readonly parameters: unknown[];
  readonly responses: Record<string, unknown>;
}

/** Swagger UI at /docs, the document at /openapi.json and /openapi.yaml. */
export function serveDocs(app: NestFastifyApplication, config: AppConfig): void {
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRequest', (request, reply, done) => {
    if (request.url === '/docs' || request.url.startsWith('/docs/')) {
      void reply.header(
        'content-security-policy',
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
          "connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
      );
    }
    done();
  });
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup('docs', app, () => (document ??= openApiDocument(app)), {
    ui: config.docsEnabled,
    raw: ['json', 'yaml'],
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    customSiteTitle: 'Parley API',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, tagsSorter: 'alpha' },
  });
}
