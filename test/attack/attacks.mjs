import { guess } from './attacks/brute-force.mjs';
import { findCanaries } from './attacks/canaries.mjs';
import { forgeCursors } from './attacks/cursors.mjs';
import { enumerate } from './attacks/enumeration.mjs';
import { forgeEvents } from './attacks/event-streams.mjs';
import { forgeTokens } from './attacks/forged-tokens.mjs';
import { borrowKeys } from './attacks/idempotency.mjs';
import { inject } from './attacks/injection.mjs';
import { exceedLimits } from './attacks/limits.mjs';
import { misleadMails } from './attacks/mail-links.mjs';
import { storeMarkup } from './attacks/markup.mjs';
import { assignFields } from './attacks/mass-assignment.mjs';
import { reuseCodes } from './attacks/one-time-codes.mjs';
import { crossOrigins } from './attacks/origins.mjs';
import { trickPreconditions } from './attacks/preconditions.mjs';
import { replayRefreshTokens } from './attacks/refresh-tokens.mjs';
import { dripSlowly } from './attacks/slow-clients.mjs';
import { stallPatterns } from './attacks/slow-patterns.mjs';
import { smuggle } from './attacks/smuggling.mjs';
import { serverSideRequests } from './attacks/ssrf.mjs';
import { walk } from './attacks/tenant-walk.mjs';

/** By the names that `--only` and `--break` know, in the order in which they run: what looks at the whole run comes last. */
export const ATTACKS = {
  enumeration: enumerate,
  'forged-tokens': forgeTokens,
  ssrf: serverSideRequests,
  injection: inject,
  markup: storeMarkup,
  'mass-assignment': assignFields,
  'refresh-tokens': replayRefreshTokens,
  'one-time-codes': reuseCodes,
  'brute-force': guess,
  'tenant-walk': walk,
  limits: exceedLimits,
  'slow-clients': dripSlowly,
  smuggling: smuggle,
  'slow-patterns': stallPatterns,
  idempotency: borrowKeys,
  cursors: forgeCursors,
  preconditions: trickPreconditions,
  origins: crossOrigins,
  'mail-links': misleadMails,
  'event-streams': forgeEvents,
  canaries: findCanaries,
};
