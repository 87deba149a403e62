import { inBandError, networkError, redactor, statusError } from './openai-errors.js';

const redact = redactor('the-key');

function byStatus(status: number, body: unknown = {}, retryAfter: object = {}) {
  return statusError(status, typeof body === 'string' ? body : JSON.stringify(body), retryAfter, redact);
}

describe('errors of the OpenAI wire', () => {
  it.each([
    [400, 'provider_rejected', false],
    [401, 'provider_key_refused', false],
    [402, 'provider_credit_exhausted', false],
    [403, 'provider_key_refused', false],
    [404, 'model_not_found', false],
    [405, 'provider_address_wrong', false],
    [408, 'provider_error', true],
    [409, 'provider_error', true],
    [413, 'provider_request_too_large', false],
    [422, 'provider_rejected', false],
    [429, 'provider_rate_limited', true],
    [500, 'provider_error', true],
    [502, 'provider_error', true],
    [503, 'provider_overloaded', true],
    [504, 'provider_timeout', true],
    [520, 'provider_error', true],
    [529, 'provider_overloaded', true],
    [302, 'provider_bad_response', false],
    [204, 'provider_bad_response', false],
  ])('takes status %i for %s', (status, code, retryable) => {
    expect(byStatus(status)).toMatchObject({ code, retryable, providerStatus: status });
    expect(byStatus(status, 'nonsense')).toMatchObject({ code, retryable });
  });

  const message = (text: string): object => ({ error: { message: text, type: 'invalid_request_error' } });

  it.each<[string, number, unknown]>([
    [
      'OpenAI 429',
      429,
      {
        error: {
          message:
            'Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 50000.',
          type: 'tokens',
          code: 'rate_limit_exceeded',
        },
      },
    ],
    [
      'Gemini, in an array',
      400,
      [
        {
          error: {
            code: 400,
            message: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
            status: 'INVALID_ARGUMENT',
          },
        },
      ],
    ],
    ['Bedrock', 400, message('Input is too long for requested model.')],
    ['Kimi', 400, message('Invalid request: Your request exceeded model token limit: 131072')],
    ['DashScope', 400, message('Range of input length should be [1, 30720]')],
    [
      'vLLM',
      400,
      { object: 'error', message: 'The prompt is longer than the maximum model length of 4096', code: 400 },
    ],
    [
      'OpenRouter, in the raw words',
      400,
      {
        error: {
          message: 'Provider returned error',
          code: 400,
          metadata: { raw: '{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}' },
        },
      },
    ],
    ['OpenRouter, raw as plain text', 400, { error: { message: 'x', metadata: { raw: 'Input is too long.' } } }],
    ['xAI', 400, { code: 'x', error: "This model's maximum prompt length is 131072 but the request contains 140000" }],
    ['Zhipu', 400, { error: { code: '1261', message: 'Prompt exceeds max length' } }],
    ['TGI', 422, { error: 'Input validation error: `inputs` must have less than 1024 tokens. Given: 2000' }],
    ['llama.cpp', 400, message('the request exceeds the available context size, try increasing it')],
    [
      'Groq 413',
      413,
      message('Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000'),
    ],
    ['LiteLLM, an error within text', 400, { detail: '{"error":{"code":"context_length_exceeded"}}' }],
  ])('takes a prompt that is too long for context_too_large: %s', (_, status, body) => {
    expect(byStatus(status, body)).toMatchObject({ code: 'context_too_large', retryable: false });
  });

  it.each<[number, unknown, string]>([
    [403, { error: { code: 403, message: 'Blocked by your guardrail' } }, 'provider_rejected'],
    [403, { error: { code: 'unsupported_country_region_territory', message: 'x' } }, 'provider_rejected'],
    [400, message('User location is not supported for the API use.'), 'provider_rejected'],
    [404, { error: { code: 404, message: 'No endpoints found that support image input' } }, 'provider_rejected'],
    [404, { error: { code: 404, message: 'No endpoints found matching your data policy' } }, 'provider_rejected'],
    [404, { error: { code: 404, message: 'No endpoints found for foo/bar.' } }, 'model_not_found'],
    [404, { object: 'error', message: 'The model `x` does not exist.', code: 404 }, 'model_not_found'],
    [404, { error: { code: 'DeploymentNotFound', message: 'x' } }, 'model_not_found'],
    [403, message('Project `p` does not have access to model `gpt-5`'), 'model_not_found'],
    [404, { detail: 'Not Found' }, 'provider_address_wrong'],
    [404, '404 page not found', 'provider_address_wrong'],
    [404, message('Invalid URL (POST /chat/completions)'), 'provider_address_wrong'],
    [404, '<!DOCTYPE html><title>Welcome</title>', 'provider_address_wrong'],
    [
      400,
      [{ error: { code: 400, message: 'API key not valid. Please pass a valid API key.' } }],
      'provider_key_refused',
    ],
    [400, message('Your credit balance is too low to access the API'), 'provider_credit_exhausted'],
    [403, { error: { message: 'Insufficient balance' } }, 'provider_credit_exhausted'],
    [413, '<html>413 Request Entity Too Large', 'provider_request_too_large'],
    [429, { error: { type: 'engine_overloaded_error', message: 'x' } }, 'provider_overloaded'],
    [429, { message: 'Too many tokens, please wait before trying again.' }, 'provider_rate_limited'],
    [
      429,
      [
        {
          error: {
            code: 429,
            message: 'You exceeded your current quota, please check your plan.',
            status: 'RESOURCE_EXHAUSTED',
            details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '17s' }],
          },
        },
      ],
      'provider_rate_limited',
    ],
    [400, message('max_tokens is too large: 100000. This model supports at most 16384.'), 'provider_rejected'],
  ])('lets the words of a %i decide: %j', (status, body, code) => {
    expect(byStatus(status, body)).toMatchObject({ code, providerStatus: status });
  });

  it.each([
    ['Rate limit reached. Please try again in 1.2s.', 1200],
    ['Please try again in 6m0s.', 360_000],
    ['Please try again in 20ms. Visit our page', 20],
    ['Please retry after 20 seconds.', 20_000],
    ['Please try again in 1h2m3s', 3_600_000],
    ['Try again later', null],
  ])('reads the wait of a body: %s', (text, expected) => {
    expect(byStatus(429, message(text)).retryAfterMs).toBe(expected);
    expect(inBandError({ code: 429, message: text }, redact).retryAfterMs).toBe(expected);
  });

  it('reads a wait of a body by its field, and believes the header first', () => {
    const body = [{ error: { details: [{ retryDelay: '17.5s' }] } }];
    expect(byStatus(429, body).retryAfterMs).toBe(17_500);
    expect(byStatus(429, body, { seconds: '3' }).retryAfterMs).toBe(3000);
    expect(byStatus(429, { error: { retry_after: 4 } }).retryAfterMs).toBe(4000);
  });

  it.each<[number, string, readonly string[]]>([
    [400, "Unsupported parameter: 'max_tokens' is not supported with this model.", ['max_tokens']],
    [400, 'Unrecognized request argument supplied: stream_options', ['stream_options']],
    [400, 'max_tokens is too large: 100000', []],
    [400, 'Please stop. An unknown seed was sown', []],
    [400, 'Developer instruction is not enabled for models/gemma-3-27b-it', ['system', 'developer']],
    [500, 'Only user and assistant roles are supported!', ['system', 'developer']],
    [500, 'An unexpected error came up while the system prompt was read', []],
    [429, "'temperature' is not supported", []],
  ])('teaches by a %i that says “%s”: %j', (status, text, lessons) => {
    expect(byStatus(status, message(text)).lessons).toEqual(lessons);
  });

  it('is done with long and nested words at once', () => {
    const start = performance.now();
    byStatus(400, message('model route inputs request too large length of the input '.repeat(1100)));
    byStatus(404, '['.repeat(30_000));
    byStatus(400, { error: '{"error":"'.repeat(5000) });
    expect(performance.now() - start).toBeLessThan(500);
  });

  it.each([
    [400, { error: { code: 'context_length_exceeded', message: 'x' } }, 'context_too_large'],
    [
      400,
      { error: { code: 400, message: "This endpoint's maximum context length is 8192 tokens." } },
      'context_too_large',
    ],
    [500, { error: { code: 500, type: 'exceed_context_size_error' } }, 'context_too_large'],
    [
      400,
      { object: 'error', message: 'maximum context length is 32768', type: 'BadRequestError' },
      'context_too_large',
    ],
    [400, { error: { message: 'foo/bar is not a valid model ID', code: 400 } }, 'model_not_found'],
    [429, { error: { code: 'insufficient_quota', message: 'x' } }, 'provider_credit_exhausted'],
    [403, { error: { code: 403, metadata: { reasons: ['violence'], flagged_input: 'x' } } }, 'provider_rejected'],
    [400, { error: 'model is required' }, 'provider_rejected'],
  ])('reads the words of a %i: %j', (status, body, code) => {
    expect(byStatus(status, body)).toMatchObject({ code, retryable: false });
  });

  it.each([
    [{ code: 429, message: 'x' }, 'provider_rate_limited', true, 429],
    [{ code: '503', message: 'x' }, 'provider_overloaded', true, 503],
    [{ code: 402 }, 'provider_credit_exhausted', false, 402],
    [{ type: 'rate_limit_exceeded' }, 'provider_rate_limited', true, 200],
    [{ type: 'server_error', code: null }, 'provider_error', true, 200],
    [{ code: 'constructor' }, 'provider_error', true, 200],
    ['it broke', 'provider_error', true, 200],
    [true, 'provider_error', true, 200],
  ])('takes the error %j inside a 200 for %s', (error, code, retryable, providerStatus) => {
    expect(inBandError(error, redact)).toMatchObject({ code, retryable, providerStatus });
  });

  it.each([
    ['3', 3000],
    ['0.5', 500],
    ['999999999', 3_600_000],
    ['soon', null],
    ['', null],
    [undefined, null],
    ['-5', null],
  ])('reads Retry-After %p as %p ms', (seconds, expected) => {
    expect(byStatus(429, {}, { seconds }).retryAfterMs).toBe(expected);
  });

  it('reads Retry-After as a date, and retry-after-ms before it', () => {
    const inTenSeconds = new Date(Date.now() + 10_000).toUTCString();
    const wait = byStatus(429, {}, { seconds: inTenSeconds }).retryAfterMs;
    expect(wait).toBeGreaterThan(8000);
    expect(wait).toBeLessThanOrEqual(10_000);
    expect(byStatus(429, {}, { seconds: new Date(0).toUTCString() }).retryAfterMs).toBe(0);
    expect(byStatus(429, {}, { seconds: '7', milliseconds: '120' }).retryAfterMs).toBe(120);
  });

  it.each([
    ['ECONNREFUSED', 'provider_unreachable', true],
    ['ENOTFOUND', 'provider_unreachable', true],
    ['UND_ERR_CONNECT_TIMEOUT', 'provider_unreachable', true],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'provider_unreachable', false],
    ['CERT_HAS_EXPIRED', 'provider_unreachable', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'provider_unreachable', false],
    ['HPE_INVALID_CONSTANT', 'provider_bad_response', false],
    ['UND_ERR_SOCKET', 'provider_disconnected', true],
    ['ECONNRESET', 'provider_disconnected', true],
  ])('takes %s for %s', (transport, code, retryable) => {
    const error = Object.assign(new Error('x'), { code: transport });
    expect(networkError(error, null)).toMatchObject({ code, retryable, providerStatus: null });
    expect(networkError(new AggregateError([error]), null)).toMatchObject({ code });
  });

  it('keeps keys out of causes, whole or masked, and the words short', () => {
    const cause = byStatus(401, { error: { message: `Incorrect API key: the-key, sk-abc***wxyz ${'x'.repeat(9000)}` } })
      .cause as Error;
    expect(cause.message).not.toMatch(/the-key|sk-abc|wxyz/);
    expect(cause.message).toContain('Incorrect API key');
    expect(cause.message.length).toBeLessThanOrEqual(2000);
  });

  it('is an error of the provider when it is nested too deeply to be shown', () => {
    const deep: unknown = JSON.parse(`${'{"error":'.repeat(100_000)}{"code":429}${'}'.repeat(100_000)}`);
    expect(inBandError(deep, redactor('k'))).toMatchObject({ code: 'provider_error' });
  });
});
