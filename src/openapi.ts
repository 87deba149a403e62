import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { contentPartSchema } from './modules/chat/public/message.dto.js';
import { TURN_EVENT_MODELS, turnEventSchema } from './modules/chat/public/turn-event.dto.js';
import type { AppConfig } from './app-config.js';
import { addCommonParts } from './platform/http/openapi-parts.js';
import { Problem } from './platform/http/problem.js';

/** One tag per module, in the order in which a newcomer needs them. */
const TAGS = {
  Auth: 'Create an account, sign in, and manage sign-ins, API keys and the second factor.',
  Users: 'The account that is signed in: profile, audit log, export and deletion.',
  Projects: 'A project holds prompts, model settings and conversations.',
  Prompts: 'The system prompts of a project, in the order in which the model reads them.',
  Chat: 'Send messages, get or stream answers, and read conversations.',
  Usage: 'What was used and what it cost, and budgets that limit it.',
  Llm: 'The default model provider of this server.',
  Health: 'For load balancers and process supervisors.',
  Admin: 'Accounts, plans and usage of all users. For admins only.',
};

const DESCRIPTION = `A chat backend: users, projects with ordered system prompts, and durable conversations with a language model.

Start with \`register\`, \`createProject\` and \`sendMessage\`. Every error is a \`Problem\` (RFC 9457): branch on its \`code\`. Fields, operations, enumeration values, parts of messages and events may be added without notice, so clients ignore what they do not know.`;

/** The API contract (OpenAPI 3.1): served at `/openapi.json`, checked in, and used to generate clients. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Parley')
    .setDescription(DESCRIPTION)
    .setVersion('0.1.0')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addServer('/')
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        description:
          'The `access_token` of a sign-in, or an API key (`prk_…`). An API key works on operations that name one of its scopes: `chat` (hold conversations), `read` (read data), `manage` (create, change and delete data).',
      },
      'bearer',
    )
    .addSecurityRequirements('bearer');
  for (const [name, description] of Object.entries(TAGS)) builder.addTag(name, description);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    extraModels: [Problem, ...TURN_EVENT_MODELS],
  });
  Object.assign(document.components?.schemas ?? {}, { TurnEvent: turnEventSchema, ContentPart: contentPartSchema });
  addCommonParts(document);
  return document;
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
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, filter: true, responseInterceptor },
  });
}

interface UiResponse {
  readonly url: string;
  readonly body?: { readonly access_token?: string };
}

/** Runs in the browser: a sign-in through "Try it out" also fills in the token of the Authorize button. */
function responseInterceptor(response: UiResponse): UiResponse {
  const page: { ui?: { preauthorizeApiKey(scheme: string, token: string): void } } = Object(globalThis);
  const token = response.body?.access_token;
  if (token !== undefined) page.ui?.preauthorizeApiKey('bearer', token);
  return response;
}
