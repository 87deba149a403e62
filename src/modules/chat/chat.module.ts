import { Module } from '@nestjs/common';
import { LlmModule } from '../llm/llm.module.js';
import { ProjectsModule } from '../projects/projects.module.js';
import { MessagesController } from './messages.controller.js';
import { MessagesRepository } from './messages.repository.js';
import { MessagesService } from './messages.service.js';
import { SessionTitles } from './session-titles.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';
import { ModelCall } from './model-call.js';
import { TurnClaims } from './turn-claims.js';
import { TurnKeeperJob } from './turn-keeper.job.js';
import { TurnMirrors } from './turn-mirrors.js';
import { TurnRunner } from './turn-runner.js';
import { TurnStore } from './turn-store.js';
import { TurnsController } from './turns.controller.js';
import { TurnsService } from './turns.service.js';

@Module({
  imports: [LlmModule, ProjectsModule],
  controllers: [TurnsController, SessionsController, MessagesController],
  providers: [
    TurnsService,
    TurnStore,
    TurnRunner,
    TurnClaims,
    TurnMirrors,
    ModelCall,
    SessionTitles,
    TurnKeeperJob,
    SessionsService,
    SessionsRepository,
    MessagesService,
    MessagesRepository,
  ],
})
export class ChatModule {}
