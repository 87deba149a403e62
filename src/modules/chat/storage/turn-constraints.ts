import { nameConstraints } from '../../../platform/database/pg-errors.js';

nameConstraints({
  uq_turns_running: 'turn_in_progress',
  ck_turns_admitted: 'turn_in_progress',
  // The project vanished between the check and the write.
  fk_chat_sessions_project_id: 'not_found',
});
