import { AppError } from '../../kernel/errors/app-error.js';
import { fromPgError, nameConstraints } from './pg-errors.js';

const failure = (fields: object, message = 'something'): Error => Object.assign(new Error(message), fields);

nameConstraints({
  uq_users_email: 'email_taken',
  fk_prompts_project_id: 'not_found',
  ck_budgets_kept: 'quota_exceeded',
});

describe('a constraint', () => {
  it('has one meaning', () => {
    expect(() => nameConstraints({ uq_users_email: 'not_found' })).toThrow('uq_users_email is named twice');
  });
});

describe('fromPgError', () => {
  it.each([
    ['uq_users_email', 'email_taken'],
    ['fk_prompts_project_id', 'not_found'],
  ])('makes %s into %s and keeps the cause', (constraint, code) => {
    const cause = failure({ code: '23505', constraint });
    expect(fromPgError(cause)).toMatchObject({ name: 'AppError', code, cause });
  });

  it('passes on the details of our own functions, but not those that PostgreSQL gives about rows', () => {
    const detail = JSON.stringify({ detail: 'Too much.', retryAfterSeconds: 7, extensions: { budget: 'account' } });
    const refusal = failure({ code: 'PY402', constraint: 'ck_budgets_kept', detail });
    expect(fromPgError(refusal)).toMatchObject({
      ...{ code: 'quota_exceeded', detail: 'Too much.', retryAfterSeconds: 7, extensions: { budget: 'account' } },
    });
    const taken = failure({ code: '23505', constraint: 'uq_users_email', detail: 'Key (email)=(ada@example.com)' });
    expect(fromPgError(taken)).toMatchObject({ code: 'email_taken', detail: undefined });
  });

  it('finds the error that TypeORM wraps', () => {
    const wrapped = failure({ driverError: failure({ code: '23505', constraint: 'uq_users_email' }) });
    expect(fromPgError(wrapped)).toMatchObject({ code: 'email_taken', cause: wrapped });
    expect(fromPgError(failure({ driverError: failure({ code: '57P01' }) }))).toMatchObject({
      code: 'database_unavailable',
    });
  });

  it.each([
    ['08006', 'connection failure'],
    ['08P01', 'protocol violation'],
    ['53300', 'too many connections'],
    ['53100', 'disk full'],
    ['57P01', 'admin shutdown'],
    ['57P03', 'starting up'],
    ['57014', 'statement timeout'],
    ['25P03', 'idle in transaction timeout'],
    ['25006', 'read-only'],
    ['28P01', 'password refused'],
    ['28000', 'login refused'],
    ['3D000', 'no such database'],
    ['ECONNREFUSED', 'nobody listens'],
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'broken pipe'],
    ['ENOTFOUND', 'no such host'],
    ['EHOSTUNREACH', 'no route'],
    ['ENETUNREACH', 'no network'],
    ['ETIMEDOUT', 'no answer'],
    ['EAI_AGAIN', 'no name server'],
  ])('makes %s (%s) into database_unavailable, to be tried again', (code) => {
    const cause = failure({ code });
    expect(fromPgError(cause)).toMatchObject({ code: 'database_unavailable', retryAfterSeconds: 1, cause });
  });

  it.each([
    'timeout exceeded when trying to connect',
    'Connection terminated',
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
    'Cannot use a pool after calling end on the pool',
  ])('knows what the driver says by its words alone: %s', (message) => {
    expect(fromPgError(failure({}, message))).toMatchObject({ code: 'database_unavailable' });
  });

  it.each<[string, unknown]>([
    ['a constraint that nobody has named', failure({ code: '23505', constraint: 'uq_something_new' })],
    ['a check that failed', failure({ code: '23514', constraint: 'ck_projects_name' })],
    ['a null where there must be none', failure({ code: '23502' })],
    ['a table that is not there', failure({ code: '42P01' })],
    ['a deadlock', failure({ code: '40P01' })],
    ['a row that row-level security refuses', failure({ code: '42501' })],
    ['an error of our own', new TypeError('x is not a function')],
    ['a code that is a number', failure({ code: 53300 })],
    ['a code with a class inside', failure({ code: 'X08006' })],
    ['a text', 'Connection terminated'],
    ['nothing', undefined],
    ['null', null],
  ])('gives %s back as it is, for it is a bug', (_what, error) => {
    expect(fromPgError(error)).toBe(error);
  });

  it('returns an error of the catalogue unchanged', () => {
    const error = new AppError('not_found', { cause: failure({ code: '57P01' }) });
    expect(fromPgError(error)).toBe(error);
  });
});
