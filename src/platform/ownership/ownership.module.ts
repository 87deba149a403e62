import { Global, Module } from '@nestjs/common';
import { OwnedResources } from './owned-resources.js';

@Global()
@Module({ providers: [OwnedResources], exports: [OwnedResources] })
export class OwnershipModule {}
