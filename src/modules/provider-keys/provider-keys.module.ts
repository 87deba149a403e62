import { Module } from '@nestjs/common';
import { LlmModule } from '../llm/llm.module.js';
import { ProjectsModule } from '../projects/projects.module.js';
import { AddressCheck } from './address-check.js';
import { ProjectModelsController } from './project-models.controller.js';
import { ProviderKeysController } from './provider-keys.controller.js';
import { ProviderKeysRepository } from './provider-keys.repository.js';
import { ProviderKeysService } from './provider-keys.service.js';
import { ProjectProviders } from './public/project-providers.js';

@Module({
  imports: [ProjectsModule, LlmModule],
  controllers: [ProviderKeysController, ProjectModelsController],
  providers: [ProviderKeysService, AddressCheck, ProviderKeysRepository, ProjectProviders],
  exports: [ProjectProviders],
})
export class ProviderKeysModule {}
