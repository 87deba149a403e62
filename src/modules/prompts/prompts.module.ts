import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { OwnedResources } from '../../platform/ownership/owned-resources.js';
import { ProjectsModule } from '../projects/projects.module.js';
import { PromptsController } from './prompts.controller.js';
import { PromptsRepository } from './prompts.repository.js';
import { PromptsService } from './prompts.service.js';
import { Prompt } from './prompt.entity.js';

@Module({
  imports: [TypeOrmModule.forFeature([Prompt]), ProjectsModule],
  controllers: [PromptsController],
  providers: [PromptsService, PromptsRepository],
})
export class PromptsModule {
  constructor(owned: OwnedResources, prompts: PromptsService) {
    owned.register('prompt_id', (actor, id) => prompts.find(actor, id));
  }
}
