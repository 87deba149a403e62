import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { RedisConfig } from '../../platform/cache/redis.config.js';
import { OwnedResources } from '../../platform/ownership/owned-resources.js';
import { LimitsModule } from '../limits/limits.module.js';
import { LlmModule } from '../llm/llm.module.js';
import { ProjectsModule } from '../projects/projects.module.js';
import { ProviderKeysModule } from '../provider-keys/provider-keys.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { KnownPrompts } from './storage/known-prompts.js';
import { SessionSummaries } from './context/session-summaries.js';
import { SummaryStore } from './context/summary-store.js';
import { TextSizes } from './context/text-sizes.js';
import { TurnContexts } from './context/turn-contexts.js';
import { DatabaseFanout, TURN_FANOUT, type TurnFanout } from './following/turn-fanout.js';
import { MessagesController } from './messages/messages.controller.js';
import { MessagesRepository } from './messages/messages.repository.js';
import { MessagesService } from './messages/messages.service.js';
import { EncryptedContent } from './storage/encrypted-content.js';
import { EncryptedProjects } from './storage/encrypted-projects.js';
import { SessionTitles } from './running/session-titles.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionsRepository } from './sessions/sessions.repository.js';
import { SessionsService } from './sessions/sessions.service.js';
import { ModelCall } from './running/model-call.js';
import { SideCalls } from './context/side-calls.js';
import { TurnClaims } from './storage/turn-claims.js';
import './storage/turn-constraints.js';
import { TurnKeeperJob } from './running/turn-keeper.job.js';
import { TurnMetrics } from './running/turn-metrics.js';
import { TurnMirrors } from './following/turn-mirrors.js';
import { TurnRunner } from './running/turn-runner.js';
import { TurnStore } from './storage/turn-store.js';
import { MissingIds } from './turns/missing-ids.js';
import { TurnReplies } from './turns/turn-replies.js';
import { TurnStreamsController } from './turns/turn-streams.controller.js';
import { TurnsController } from './turns/turns.controller.js';
import { TurnsService } from './turns/turns.service.js';
import { UsageReconciliationJob } from './running/usage-reconciliation.job.js';
import { Message } from './message.entity.js';
import { ChatSession } from './sessions/chat-session.entity.js';

/** Loads the Redis client only when a Redis address is configured. */
async function createFanout({ redisUrl }: RedisConfig, { owner }: TurnClaims): Promise<TurnFanout> {
  if (redisUrl === undefined) return new DatabaseFanout();
  const { RedisFanout } = await import('./following/redis-fanout.js');
  return new RedisFanout(redisUrl, owner);
}

@Module({
  imports: [
    TypeOrmModule.forFeature([ChatSession, Message]),
    LimitsModule,
    LlmModule,
    ProjectsModule,
    ProviderKeysModule,
    UsageModule,
  ],
  controllers: [TurnsController, TurnStreamsController, SessionsController, MessagesController],
  providers: [
    TurnsService,
    TurnReplies,
    MissingIds,
    TurnStore,
    KnownPrompts,
    EncryptedContent,
    EncryptedProjects,
    TurnRunner,
    TurnClaims,
    TurnMirrors,
    TurnMetrics,
    ModelCall,
    TurnContexts,
    TextSizes,
    SessionSummaries,
    SideCalls,
    SummaryStore,
    SessionTitles,
    TurnKeeperJob,
    UsageReconciliationJob,
    { provide: TURN_FANOUT, useFactory: createFanout, inject: [RedisConfig, TurnClaims] },
    SessionsService,
    SessionsRepository,
    MessagesService,
    MessagesRepository,
  ],
})
export class ChatModule {
  constructor(owned: OwnedResources, sessions: SessionsService, messages: MessagesService) {
    owned.register('session_id', (actor, id) => sessions.find(actor, id));
    owned.register('message_id', (actor, id) => messages.find(actor, id));
  }
}
