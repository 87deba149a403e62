import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { OwnedResources } from '../../platform/ownership/owned-resources.js';
import { ProjectsController } from './projects.controller.js';
import { ProjectsRepository } from './projects.repository.js';
import { ProjectsService } from './projects.service.js';
import { ProjectAccess } from './public/project-access.js';
import { TurnRemoval } from './public/turn-removal.js';
import { Project } from './project.entity.js';

@Module({
  imports: [TypeOrmModule.forFeature([Project])],
  controllers: [ProjectsController],
  providers: [ProjectsService, ProjectsRepository, ProjectAccess, TurnRemoval],
  exports: [ProjectAccess, TurnRemoval],
})
export class ProjectsModule {
  constructor(owned: OwnedResources, projects: ProjectsService) {
    owned.register('project_id', (actor, id) => projects.find(actor, id));
  }
}
