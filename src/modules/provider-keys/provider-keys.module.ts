import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { LlmModule } from '../llm/llm.module.js';
import { ProjectsModule } from '../projects/projects.module.js';
import { AddressCheck } from './address-check.js';
import { ProjectModelsController } from './project-models.controller.js';
import { ProviderKeysController } from './provider-keys.controller.js';
import { ProviderKeysRepository } from './provider-keys.repository.js';
import { ProviderKeysService } from './provider-keys.service.js';
import { ProjectProviders } from './public/project-providers.js';
import { ProviderKey } from './provider-key.entity.js';

@Module({
  imports: [TypeOrmModule.forFeature([ProviderKey]), ProjectsModule, LlmModule],
  controllers: [ProviderKeysController, ProjectModelsController],
  providers: [ProviderKeysService, AddressCheck, ProviderKeysRepository, ProjectProviders],
  exports: [ProjectProviders],
})
export class ProviderKeysModule {}
