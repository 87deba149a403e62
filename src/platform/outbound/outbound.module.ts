import { Global, Module } from '@nestjs/common';
import { HOST_RESOLVER, systemResolver } from './host-resolver.js';
import { OutboundGuard } from './outbound-guard.js';

@Global()
@Module({
  providers: [OutboundGuard, { provide: HOST_RESOLVER, useValue: systemResolver }],
  exports: [OutboundGuard],
})
export class OutboundModule {}
