/**
 * Every error a client can meet, once: its HTTP status, its title and how loud it is logged.
 * `error` in `level` means that a person must act; what a client did wrong is never louder than `info`.
 * A code is part of the public contract: docs/errors.md and the OpenAPI document list the same ones (tested).
 */
export const ERROR_CATALOGUE = {
  malformed_request: { status: 400, level: 'info', title: 'The request could not be read' },
  invalid_cursor: { status: 400, level: 'info', title: 'The cursor is not one that this list gave out' },
  unauthenticated: { status: 401, level: 'info', title: 'A valid access token is needed' },
  invalid_credentials: { status: 401, level: 'info', title: 'E-mail or password is wrong' },
  invalid_refresh_token: { status: 401, level: 'info', title: 'The refresh token is not valid any more' },
  quota_exceeded: { status: 402, level: 'info', title: 'A budget is used up' },
  sign_in_required: { status: 403, level: 'info', title: 'This needs a sign-in; no API key may do it' },
  admin_required: { status: 403, level: 'info', title: 'Only an admin may do this' },
  insufficient_scope: { status: 403, level: 'info', title: 'The API key has not the scope for this' },
  second_factor_required: { status: 401, level: 'info', title: 'A code of the second factor is needed' },
  invalid_second_factor: { status: 401, level: 'info', title: 'The code is wrong or was used already' },
  invalid_challenge: { status: 401, level: 'info', title: 'The sign-in was not finished in time' },
  not_found: { status: 404, level: 'info', title: 'Not found' },
  method_not_allowed: { status: 405, level: 'info', title: 'The route does not answer this method' },
  not_acceptable: { status: 406, level: 'info', title: 'No acceptable representation' },
  request_timeout: { status: 408, level: 'info', title: 'The request came too slowly' },
  turn_in_progress: { status: 409, level: 'info', title: 'Another turn of this session is still running' },
  idempotency_key_in_use: {
    status: 409,
    level: 'info',
    title: 'The first request with this Idempotency-Key is still being answered',
  },
  export_in_progress: { status: 409, level: 'info', title: 'Another export of the account is still running' },
  own_account: { status: 409, level: 'info', title: 'An admin can not disable the own account' },
  second_factor_on: { status: 409, level: 'info', title: 'The second factor is on already' },
  second_factor_off: { status: 409, level: 'info', title: 'There is no second factor' },
  email_taken: { status: 409, level: 'info', title: 'An account with this e-mail exists already' },
  email_not_verified: { status: 403, level: 'info', title: 'The e-mail address has to be verified first' },
  precondition_failed: { status: 412, level: 'info', title: 'The resource has changed since it was read' },
  body_too_large: { status: 413, level: 'info', title: 'The request body is too large' },
  uri_too_long: { status: 414, level: 'info', title: 'The request address is too long' },
  unsupported_media_type: { status: 415, level: 'info', title: 'The media type is not supported' },
  validation_failed: { status: 422, level: 'info', title: 'The request has invalid fields' },
  idempotency_key_reused: {
    status: 422,
    level: 'info',
    title: 'The Idempotency-Key was used for another request',
  },
  context_too_large: { status: 422, level: 'info', title: 'Prompts and message are larger than the model can take' },
  provider_not_configured: { status: 422, level: 'info', title: 'The provider is not configured on this server' },
  provider_address_refused: {
    status: 422,
    level: 'info',
    title: 'The address of the provider is not one that this server calls',
  },
  model_not_found: { status: 422, level: 'info', title: 'The provider does not know the model' },
  price_unknown: {
    status: 422,
    level: 'info',
    title: 'A budget is set, and nobody knows what the model costs',
  },
  invalid_mail_token: { status: 422, level: 'info', title: 'The token from the mail is not valid any more' },
  rate_limited: { status: 429, level: 'info', title: 'Too many requests' },
  headers_too_large: { status: 431, level: 'info', title: 'The request headers are too large' },
  internal_error: { status: 500, level: 'error', title: 'Something went wrong on our side' },
  mail_not_configured: { status: 501, level: 'info', title: 'This server sends no mail' },
  provider_unreachable: { status: 502, level: 'warn', title: 'The model provider could not be reached' },
  provider_key_refused: { status: 502, level: 'error', title: 'The model provider refused our key' },
  project_key_refused: { status: 502, level: 'info', title: "The model provider refused the project's own key" },
  provider_rejected: { status: 502, level: 'warn', title: 'The model provider rejected the request' },
  provider_bad_response: {
    status: 502,
    level: 'warn',
    title: 'The model provider sent an answer that could not be read',
  },
  provider_disconnected: { status: 502, level: 'warn', title: 'The model provider ended the answer early' },
  database_unavailable: { status: 503, level: 'error', title: 'The database is not available' },
  overloaded: { status: 503, level: 'warn', title: 'The server has too much to do at the moment' },
  shutting_down: { status: 503, level: 'info', title: 'This instance is shutting down' },
  provider_credit_exhausted: { status: 503, level: 'error', title: 'The credit at the model provider is used up' },
  project_credit_exhausted: {
    status: 503,
    level: 'info',
    title: "The credit of the project's own key is used up",
  },
  provider_rate_limited: { status: 503, level: 'warn', title: 'The model provider limits our rate' },
  provider_overloaded: { status: 503, level: 'warn', title: 'The model provider is overloaded' },
  provider_circuit_open: {
    status: 503,
    level: 'warn',
    title: 'The model provider keeps failing and is not asked for a while',
  },
  provider_busy: { status: 503, level: 'warn', title: 'Too many answers are waited for at the model provider' },
  provider_error: { status: 502, level: 'warn', title: 'The model provider failed' },
  turn_interrupted: { status: 503, level: 'warn', title: 'The server stopped while the answer was being written' },
  provider_timeout: { status: 504, level: 'warn', title: 'The model provider took too long' },
} as const satisfies Record<string, ErrorDefinition>;

export interface ErrorDefinition {
  readonly status: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly title: string;
}

export type ErrorCode = keyof typeof ERROR_CATALOGUE;
