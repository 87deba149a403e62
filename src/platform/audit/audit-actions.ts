/**
 * Everything the audit log can say, once. An action is part of the public contract: it may get a new line here, never
 * another meaning. What is in quotes after a dash are the facts that come with it; the subject is what `subject_id` names.
 */
export const AUDIT_ACTIONS = {
  'account.registered': 'The account was made.',
  'account.profile_changed': 'The profile was changed — `fields`: which.',
  'account.password_changed': 'The password was changed; all other sign-ins ended.',
  'account.exported': 'Everything of the account was read as an archive.',
  'account.password_reset_requested': 'Somebody asked for a mail to reset the password.',
  'account.password_reset':
    'The password was set anew by a token from a mail; all sign-ins and API keys ended — `api_keys`: how many.',
  'account.email_verified': 'The e-mail address was verified by a token from a mail.',
  'account.deleted': 'The account was deleted with everything that belonged to it, but for this log.',
  'account.data_key_rotated': 'The key of the stored secrets was wrapped by another master key — `version`: which.',
  'account.role_changed': 'Made an admin or a user again, by the command line — `role`.',
  'sign_in.created': 'Somebody signed in. Subject: the sign-in.',
  'sign_in.failed': 'Somebody tried to sign in and was refused — `reason`: why.',
  'sign_in.throttled': 'Too many wrong passwords; told once an hour at most.',
  'sign_in.ended': 'Signed out. Subject: the sign-in.',
  'sign_in.refresh_reused': 'A used refresh token came back, so the sign-in ended. Subject: the sign-in.',
  'second_factor.enabled': 'A code beside the password was switched on.',
  'second_factor.disabled': 'It was switched off.',
  'second_factor.failed': 'A wrong code was shown, or one that was used already.',
  'second_factor.recovery_code_used':
    'A recovery code was used in place of the app — `left`: how many there are still.',
  'second_factor.recovery_codes_renewed': 'New recovery codes were made; the old ones are worth nothing.',
  'api_key.created': 'An API key was made — `scopes`. Subject: the key.',
  'api_key.revoked': 'Subject: the key.',
  'project.created': 'Subject: the project.',
  'project.changed': 'Settings of a project were changed — `fields`: which. Subject: the project.',
  'project.deleted': 'Deleted with its prompts and sessions. Subject: the project.',
  'project.content_key_rotated':
    'The key of its conversations was wrapped by another master key — `version`: which. Subject: the project.',
  'project.retention_applied':
    'Sessions were deleted that the project does not keep any longer; told once a night — `sessions`, `messages`, `idempotency_keys`: how many. Subject: the project.',
  'provider_key.set':
    'A key of its own was set for the model provider of a project — `provider`. Subject: the project.',
  'provider_key.removed': 'Subject: the project.',
  'budget.changed': 'The limits of spending were set. Subject: the project; null: the account.',
  'session.deleted': 'Deleted with its messages. Subject: the session.',
  // Of admins: told in the log of the admin, and in that of the user who is the subject.
  'admin.users_listed': 'An admin looked for accounts — `by`: which filters.',
  'admin.user_read': 'An admin looked at an account. Subject: the user.',
  'admin.user_disabled': 'An admin disabled an account and ended its sign-ins. Subject: the user.',
  'admin.user_enabled': 'An admin let an account in again. Subject: the user.',
  'admin.user_limits_changed':
    'An admin set the plan and the limits of an account — `plan`, `requests_per_minute`, `tokens_per_minute`. Subject: the user.',
  'admin.plans_listed': 'An admin looked at the plans.',
  'admin.plan_changed': 'An admin made or changed a plan — `plan`, `requests_per_minute`, `tokens_per_minute`.',
  'admin.budget_read': 'An admin looked at the budget of an account. Subject: the user.',
  'admin.budget_capped': 'An admin set what an account may spend at most. Subject: the user.',
  'admin.usage_read': 'An admin looked at what all users have used — `from`, `to`.',
} as const satisfies Record<`${string}.${string}`, string>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;
