/**
 * Every action of the audit log, with its meaning. Actions are part of the public contract: new ones may be added, but no
 * action changes its meaning. The names in backquotes are the facts of the event; "Subject" is what `subject_id` names.
 */
export const AUDIT_ACTIONS = {
  'account.registered': 'The account was created.',
  'account.profile_changed': 'The profile was changed — `fields`: the changed fields.',
  'account.password_changed': 'The password was changed; all other sign-ins ended.',
  'account.exported': 'All data of the account was exported.',
  'account.password_reset_requested': 'A mail to reset the password was requested.',
  'account.password_reset':
    'The password was reset with a token from a mail; all sign-ins and API keys ended — `api_keys`: their number.',
  'account.email_verified': 'The e-mail address was verified with a token from a mail.',
  'account.deleted': 'The account was deleted with everything that belonged to it, except this log.',
  'account.data_key_rotated': 'The data key was re-encrypted with another master key — `version`: of the master key.',
  'account.role_changed': 'The command line made the user an admin, or an ordinary user again — `role`.',
  'sign_in.created': 'The user signed in. Subject: the sign-in.',
  'sign_in.failed': 'An attempt to sign in was refused — `reason`.',
  'sign_in.throttled': 'Too many wrong passwords; recorded at most once an hour.',
  'sign_in.ended': 'The user signed out. Subject: the sign-in.',
  'sign_in.refresh_reused': 'A refresh token was used twice, so the sign-in ended. Subject: the sign-in.',
  'second_factor.enabled': 'The second factor was switched on.',
  'second_factor.disabled': 'The second factor was switched off.',
  'second_factor.failed': 'A code was wrong or had been used already.',
  'second_factor.recovery_code_used':
    'A recovery code was used instead of the app — `left`: the number of unused codes.',
  'second_factor.recovery_codes_renewed': 'New recovery codes were created; the old ones are invalid.',
  'api_key.created': 'An API key was created — `scopes`. Subject: the key.',
  'api_key.revoked': 'Subject: the key.',
  'project.created': 'Subject: the project.',
  'project.changed': 'Settings of a project were changed — `fields`: the changed fields. Subject: the project.',
  'project.deleted': 'Deleted with its prompts and sessions. Subject: the project.',
  'project.content_key_rotated':
    'The content key was re-encrypted with another master key — `version`: of the master key. Subject: the project.',
  'project.retention_applied':
    'Sessions beyond the retention of the project were deleted; recorded once a night — `sessions`, `messages`, `idempotency_keys`: their numbers. Subject: the project.',
  'provider_key.set': "A project's own key for its model provider was set — `provider`. Subject: the project.",
  'provider_key.removed': 'Subject: the project.',
  'budget.changed': 'A budget was changed. Subject: the project; null: the account.',
  'session.deleted': 'Deleted with its messages. Subject: the session.',
  // Actions of admins are recorded in the log of the admin, and in that of the user who is the subject.
  'admin.users_listed': 'An admin searched for accounts — `by`: the filters.',
  'admin.user_read': 'An admin viewed an account. Subject: the user.',
  'admin.user_disabled': 'An admin disabled an account and ended its sign-ins. Subject: the user.',
  'admin.user_enabled': 'An admin enabled an account again. Subject: the user.',
  'admin.user_limits_changed':
    'An admin set the plan and the limits of an account — `plan`, `requests_per_minute`, `tokens_per_minute`. Subject: the user.',
  'admin.plans_listed': 'An admin viewed the plans.',
  'admin.plan_changed': 'An admin created or changed a plan — `plan`, `requests_per_minute`, `tokens_per_minute`.',
  'admin.budget_read': 'An admin viewed the budget of an account. Subject: the user.',
  'admin.budget_capped': 'An admin capped the budget of an account. Subject: the user.',
  'admin.usage_read': 'An admin viewed the usage of all users — `from`, `to`.',
} as const satisfies Record<`${string}.${string}`, string>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;
