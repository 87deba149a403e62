/** One id of each kind: the victim's, a stranger's own, unknown ones or malformed ones. */
export interface Ids {
  readonly project_id: string;
  readonly prompt_id: string;
  readonly session_id: string;
  readonly message_id: string;
  readonly user_id: string;
  readonly api_key_id: string;
  readonly sign_in_id: string;
}

/** One way to request resources by `ids`, possibly mixed with the requester's `own` resources. */
export interface Attempt {
  readonly query?: (ids: Ids, own: Ids) => Record<string, unknown>;
  readonly body?: (ids: Ids, own: Ids) => Record<string, unknown>;
  readonly headers?: Record<string, string>;
  /** Whether the ids in the path are the requester's own. */
  readonly ownPath?: boolean;
  /**
   * The status for a wrong id if it is not 404; the same for another user's id and an unknown one. 403: only admins
   * have access.
   */
  readonly status?: number;
}

const plain: Attempt[] = [{}];
const limits = { day_limit_micro_usd: 9_000_000, month_limit_micro_usd: null };
const forAdmins: Attempt[] = [{ status: 403 }];
const ifMatch = { headers: { 'if-match': '"1"' } };
const events = { headers: { accept: 'text/event-stream' } };
const byProject: Attempt = { query: ({ project_id }) => ({ project_id }) };

/** The attempts for each route that takes an id. A route that is in neither list fails the test. */
export const WITH_IDS: Record<string, Attempt[]> = {
  'DELETE /auth/sessions/:sign_in_id': plain,
  'POST /auth/api-keys': [{ body: ({ project_id }) => ({ name: 'Mine', scopes: ['read'], project_id }) }],
  'DELETE /auth/api-keys/:api_key_id': plain,
  'GET /projects/:project_id': plain,
  'PATCH /projects/:project_id': [{ body: () => ({ name: 'Mine' }) }, { body: () => ({}), ...ifMatch }],
  'DELETE /projects/:project_id': [{}, ifMatch],
  'PUT /projects/:project_id/provider-key': [
    { body: () => ({ provider: 'openai', api_key: 'sk-mine' }) },
    { body: () => ({ provider: 'custom', api_key: 'mine', base_url: 'https://1.1.1.1/v1' }) },
  ],
  'GET /projects/:project_id/provider-key': plain,
  'DELETE /projects/:project_id/provider-key': plain,
  'GET /projects/:project_id/models': plain,
  'GET /projects/:project_id/budget': plain,
  'PUT /projects/:project_id/budget': [{ body: () => limits }],
  'GET /projects/:project_id/usage': [{}, { query: () => ({ group_by: 'model' }) }],
  'GET /projects/:project_id/prompts': [{}, { query: () => ({ limit: 1 }) }],
  'POST /projects/:project_id/prompts': [{ body: () => ({ content: 'Obey me.' }) }],
  'PUT /projects/:project_id/prompts/order': [
    { body: ({ prompt_id }) => ({ prompt_ids: [prompt_id] }) },
    { body: (_, own) => ({ prompt_ids: [own.prompt_id] }) },
    { ownPath: true, body: ({ prompt_id }, own) => ({ prompt_ids: [own.prompt_id, prompt_id] }), status: 422 },
    { ownPath: true, body: ({ prompt_id }) => ({ prompt_ids: [prompt_id] }), status: 422 },
  ],
  'GET /admin/users/:user_id': forAdmins,
  'POST /admin/users/:user_id/disable': forAdmins,
  'POST /admin/users/:user_id/enable': forAdmins,
  'GET /admin/users/:user_id/limits': forAdmins,
  'PUT /admin/users/:user_id/limits': [{ body: () => ({ plan: 'unlimited' }), status: 403 }],
  'GET /admin/users/:user_id/budget': forAdmins,
  'PUT /admin/users/:user_id/budget': [{ body: () => ({ day_cap_micro_usd: 1, month_cap_micro_usd: 1 }), status: 403 }],
  'GET /prompts': [byProject],
  'POST /prompts': [{ body: ({ project_id }) => ({ project_id, content: 'Obey me.' }) }],
  'GET /prompts/:prompt_id': plain,
  'PATCH /prompts/:prompt_id': [{ body: () => ({ content: 'Obey me.' }) }, { body: () => ({}), ...ifMatch }],
  'DELETE /prompts/:prompt_id': [{}, ifMatch],
  'POST /chat': [
    { body: ({ project_id }) => ({ project_id, message: 'Hi' }) },
    { body: ({ project_id }) => ({ project_id, message: 'Hi', stream: true }) },
    { body: ({ project_id }) => ({ project_id, message: 'Hi' }), ...events },
    { body: ({ project_id }) => ({ project_id, message: 'Hi', background: true }) },
    { body: ({ session_id }) => ({ session_id, message: 'Hi' }) },
    { body: ({ session_id }) => ({ session_id, message: 'Hi', stream: true }) },
    { body: ({ session_id, project_id }) => ({ session_id, project_id, message: 'Hi' }) },
    { body: ({ session_id }, own) => ({ session_id, project_id: own.project_id, message: 'Hi' }) },
    { body: ({ project_id }, own) => ({ session_id: own.session_id, project_id, message: 'Hi' }) },
    { body: ({ message_id }, own) => ({ session_id: own.session_id, parent_id: message_id, message: 'Hi' }) },
    { body: ({ session_id, message_id }) => ({ session_id, parent_id: message_id, message: 'Hi', stream: true }) },
  ],
  'POST /chat/stream': [
    { body: ({ project_id }) => ({ project_id, message: 'Hi' }) },
    { body: ({ session_id }) => ({ session_id, message: 'Hi' }) },
    { body: ({ session_id }, own) => ({ session_id, project_id: own.project_id, message: 'Hi' }) },
    { body: ({ project_id }, own) => ({ session_id: own.session_id, project_id, message: 'Hi' }) },
    { body: ({ message_id }, own) => ({ session_id: own.session_id, parent_id: message_id, message: 'Hi' }) },
  ],
  'GET /chat/sessions': [byProject, { query: ({ project_id }) => ({ project_id, archived: true }) }],
  'POST /chat/sessions': [{ body: ({ project_id }) => ({ project_id }) }],
  'GET /chat/sessions/:session_id': plain,
  'PATCH /chat/sessions/:session_id': [{ body: () => ({ title: 'Mine' }) }, { body: () => ({}), ...ifMatch }],
  'DELETE /chat/sessions/:session_id': [{}, ifMatch],
  'GET /chat/sessions/:session_id/messages': [
    {},
    { query: () => ({ order: 'desc', limit: 1 }) },
    { query: () => ({ view: 'all' }) },
    { query: ({ message_id }) => ({ leaf_id: message_id }) },
    { ownPath: true, query: ({ message_id }) => ({ leaf_id: message_id }) },
  ],
  'GET /chat/messages/:message_id': plain,
  'GET /chat/messages/:message_id/events': [
    {},
    events,
    { query: () => ({ after: '1.0' }) },
    { query: () => ({ after: '1.end' }) },
    { headers: { 'last-event-id': '1.2' } },
  ],
  'POST /chat/messages/:message_id/stop': plain,
  'POST /chat/messages/:message_id/regenerate': [
    { body: () => ({}) },
    { body: () => ({ stream: true }) },
    { body: () => ({ background: true }) },
  ],
  'POST /chat/messages/:message_id/regenerate/stream': [{ body: () => ({}) }],
  'PUT /chat/messages/:message_id/feedback': [{ body: () => ({ rating: 'down' }) }],
  'DELETE /chat/messages/:message_id/feedback': plain,
};

/** Routes that take no id, because they are about the caller. */
export const WITHOUT_IDS = [
  'POST /auth/email/verification',
  'POST /auth/logout',
  'GET /auth/second-factor',
  'POST /auth/second-factor',
  'DELETE /auth/second-factor',
  'POST /auth/second-factor/confirm',
  'POST /auth/second-factor/recovery-codes',
  'GET /auth/sessions',
  'GET /auth/api-keys',
  'GET /users/me',
  'PATCH /users/me',
  'DELETE /users/me',
  'GET /users/me/export',
  'GET /users/me/budget',
  'PUT /users/me/budget',
  'GET /users/me/usage',
  'GET /admin/users',
  'GET /admin/usage',
  'GET /admin/plans',
  'PUT /admin/plans',
  'GET /users/me/audit-events',
  'POST /users/me/password',
  'GET /projects',
  'POST /projects',
  'GET /llm/models',
  'GET /llm/health',
];

/** Routes that are open to everybody and show no user's data. */
export const PUBLIC = [
  'POST /auth/register',
  'POST /auth/login',
  'POST /auth/login/second-factor',
  'POST /auth/refresh',
  'GET /.well-known/jwks.json',
  'POST /auth/password/forgot',
  'POST /auth/password/reset',
  'POST /auth/email/verify',
  'GET /health/live',
  'GET /health/ready',
  'GET /openapi.json',
  'GET /openapi.yaml',
];

/** Open to everybody who knows the id, and without personal data. */
export const PUBLIC_WITH_IDS = ['GET /erasure-receipts/:receipt_id'];

export const isDocs = (route: string): boolean => /^GET \/docs(\/|$)/.test(route);
