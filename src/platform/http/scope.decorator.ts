import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { Scope as ScopeName } from '../../kernel/actor.js';

export const ROUTE_SCOPES = 'routeScopes';
/** The member of the OpenAPI document that lists the scopes. */
export const SCOPES_EXTENSION = 'x-scopes';

/**
 * Opens a route to API keys that have one of these scopes. A route without this decorator refuses every API key, so that
 * forgetting it is safe. Sign-ins need no scope.
 */
export const Scope = (...scopes: [ScopeName, ...ScopeName[]]): MethodDecorator =>
  applyDecorators(SetMetadata(ROUTE_SCOPES, scopes), ApiExtension(SCOPES_EXTENSION, scopes));
