import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { AppConfig } from './platform/config/app-config.js';
import { Problem } from './platform/http/problem.js';
import { TURN_EVENT_MODELS } from './modules/chat/public/turn-event.dto.js';

/** The contract as a document (OpenAPI 3.1): what `/openapi.json` serves, what is checked in, and what clients are generated from. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Parley')
    .setDescription(
      'Chat backend: users, projects with ordered system prompts, and durable conversations with a language model.',
    )
    .setVersion('0.1.0')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addServer('/')
    .addOAuth2(
      { type: 'oauth2', flows: { password: { tokenUrl: '/auth/login', refreshUrl: '/auth/refresh', scopes: {} } } },
      'password',
    )
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }, 'bearer')
    .addSecurityRequirements('bearer')
    .addSecurityRequirements('password')
    .build();
  return SwaggerModule.createDocument(app, config, { extraModels: [Problem, ...TURN_EVENT_MODELS] });
}

/** Swagger UI at /docs, the document at /openapi.json and /openapi.yaml. */
export function serveDocs(app: NestFastifyApplication, config: AppConfig): void {
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRequest', (request, reply, done) => {
    if (request.url === '/docs' || request.url.startsWith('/docs/')) {
      void reply.header(
        'content-security-policy',
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
          "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
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
