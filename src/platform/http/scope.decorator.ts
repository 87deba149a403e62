import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { Scope as ScopeName } from '../../kernel/actor.js';

export const ROUTE_SCOPES = 'routeScopes';
/** Where the OpenAPI document says it. */
export const SCOPES_EXTENSION = 'x-scopes';

/**
 * Opens a route to API keys that have one of these scopes. A route that says nothing is closed to every API key, so a
 * forgotten decorator locks and never opens. Sign-ins need no scope.
 */
export const Scope = (...scopes: [ScopeName, ...ScopeName[]]): MethodDecorator =>
  applyDecorators(SetMetadata(ROUTE_SCOPES, scopes), ApiExtension(SCOPES_EXTENSION, scopes));
