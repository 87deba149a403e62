import { ApiKey } from './modules/auth/api-key.entity.js';
import { SecondFactor } from './modules/auth/second-factor.entity.js';
import { SignIn } from './modules/auth/sign-in.entity.js';
import { ChatSession } from './modules/chat/sessions/chat-session.entity.js';
import { Message } from './modules/chat/message.entity.js';
import { Plan } from './modules/limits/plan.entity.js';
import { Project } from './modules/projects/project.entity.js';
import { Prompt } from './modules/prompts/prompt.entity.js';
import { ProviderKey } from './modules/provider-keys/provider-key.entity.js';
import { User } from './modules/users/user.entity.js';
import { ContentKeyRow } from './platform/crypto/content-key-row.entity.js';
import { DataKey } from './platform/crypto/data-key.entity.js';

/** Every table that repositories read; the turn's own tables are reached by the hot path's SQL alone. */
export const ENTITIES = [
  Plan,
  User,
  DataKey,
  ContentKeyRow,
  SignIn,
  SecondFactor,
  Project,
  ProviderKey,
  Prompt,
  ChatSession,
  Message,
  ApiKey,
];
