/**
 * Every error that a client can receive: HTTP status, title and log level. The level `error` means that a person must act;
 * a mistake of a client is never above `info`. The codes are part of the public contract: tests prove that docs/errors.md
 * and the OpenAPI document list the same codes.
 */
export const ERROR_CATALOGUE = {
  malformed_request: { status: 400, level: 'info', title: 'The request could not be read' },
  invalid_cursor: { status: 400, level: 'info', title: 'The cursor does not belong to this list' },
  unauthenticated: { status: 401, level: 'info', title: 'A valid access token or API key is needed' },
  invalid_credentials: { status: 401, level: 'info', title: 'E-mail or password is wrong' },
  invalid_refresh_token: { status: 401, level: 'info', title: 'The refresh token is no longer valid' },
  quota_exceeded: { status: 402, level: 'info', title: 'A budget is used up' },
  sign_in_required: { status: 403, level: 'info', title: 'This needs a sign-in: API keys are refused' },
  admin_required: { status: 403, level: 'info', title: 'This needs an admin' },
  insufficient_scope: { status: 403, level: 'info', title: 'The API key does not have the scope that this needs' },
  second_factor_required: { status: 401, level: 'info', title: 'A code of the second factor is needed' },
  invalid_second_factor: { status: 401, level: 'info', title: 'The code is wrong or has been used already' },
  invalid_challenge: { status: 401, level: 'info', title: 'The sign-in was not completed in time' },
  not_found: { status: 404, level: 'info', title: 'Not found' },
  method_not_allowed: { status: 405, level: 'info', title: 'The path does not support this method' },
  not_acceptable: { status: 406, level: 'info', title: 'The response is not available in an accepted form' },
  request_timeout: { status: 408, level: 'info', title: 'The request arrived too slowly' },
  turn_in_progress: { status: 409, level: 'info', title: 'Another turn of this session is still running' },
  idempotency_key_in_use: {
    status: 409,
    level: 'info',
    title: 'The first request with this Idempotency-Key is still running',
  },
  export_in_progress: { status: 409, level: 'info', title: 'Another export of the account is still running' },
  own_account: { status: 409, level: 'info', title: 'You cannot disable your own account' },
  second_factor_on: { status: 409, level: 'info', title: 'The second factor is already on' },
  second_factor_off: { status: 409, level: 'info', title: 'The second factor is off' },
  email_taken: { status: 409, level: 'info', title: 'An account with this e-mail address already exists' },
  email_not_verified: { status: 403, level: 'info', title: 'The e-mail address must be confirmed first' },
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
  context_too_large: { status: 422, level: 'info', title: 'Prompts and message are longer than the model can read' },
  provider_not_configured: { status: 422, level: 'info', title: 'The provider is not configured on this server' },
  provider_address_refused: {
    status: 422,
    level: 'info',
    title: 'This server does not call the address of the provider',
  },
  provider_request_too_large: {
    status: 422,
    level: 'info',
    title: 'The request is larger than the model provider takes',
  },
  model_not_found: { status: 422, level: 'info', title: 'The provider does not know the model' },
  price_unknown: {
    status: 422,
    level: 'info',
    title: 'A budget applies, and the price of the model is not known',
  },
  invalid_mail_token: { status: 422, level: 'info', title: 'The token from the mail is no longer valid' },
  rate_limited: { status: 429, level: 'info', title: 'Too many requests' },
  headers_too_large: { status: 431, level: 'info', title: 'The request headers are too large' },
  internal_error: { status: 500, level: 'error', title: 'Something went wrong on the server' },
  mail_not_configured: { status: 501, level: 'info', title: 'This server does not send mail' },
  provider_unreachable: { status: 502, level: 'warn', title: 'The model provider could not be reached' },
  provider_key_refused: { status: 502, level: 'error', title: 'The model provider refused the key of this server' },
  project_key_refused: { status: 502, level: 'info', title: 'The model provider refused the key of the project' },
  provider_address_wrong: {
    status: 502,
    level: 'error',
    title: 'The address of the model provider leads to no chat completions',
  },
  provider_rejected: { status: 502, level: 'warn', title: 'The model provider rejected the request' },
  provider_bad_response: {
    status: 502,
    level: 'warn',
    title: 'The response of the model provider could not be read',
  },
  provider_disconnected: { status: 502, level: 'warn', title: 'The model provider ended the answer early' },
  database_unavailable: { status: 503, level: 'error', title: 'The database is not available' },
  overloaded: { status: 503, level: 'warn', title: 'The server is overloaded' },
  shutting_down: { status: 503, level: 'info', title: 'This instance is shutting down' },
  provider_credit_exhausted: {
    status: 503,
    level: 'error',
    title: 'The credit of this server at the model provider is used up',
  },
  project_credit_exhausted: {
    status: 503,
    level: 'info',
    title: 'The credit of the project at the model provider is used up',
  },
  provider_rate_limited: { status: 503, level: 'warn', title: 'The model provider limits the rate of this server' },
  provider_overloaded: { status: 503, level: 'warn', title: 'The model provider is overloaded' },
  provider_circuit_open: {
    status: 503,
    level: 'warn',
    title: 'The model provider keeps failing and is not called for a while',
  },
  provider_busy: { status: 503, level: 'warn', title: 'Too many requests to the model provider are waiting' },
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
