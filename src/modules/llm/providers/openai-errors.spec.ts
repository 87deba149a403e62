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
    [405, 'provider_rejected', false],
    [408, 'provider_error', true],
    [409, 'provider_error', true],
    [413, 'context_too_large', false],
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
    expect(byStatus(status, '<html>nonsense')).toMatchObject({ code, retryable });
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
});
