import { Global, Module } from '@nestjs/common';
import { OutboundConfig } from './outbound.config.js';
import { createHostResolver, HOST_RESOLVER, type HostResolver } from './host-resolver.js';
import { OutboundGuard } from './outbound-guard.js';

@Global()
@Module({
  providers: [
    OutboundGuard,
    {
      provide: HOST_RESOLVER,
      inject: [OutboundConfig],
      useFactory: ({ providerDnsServers }: OutboundConfig): HostResolver => createHostResolver(providerDnsServers),
    },
  ],
  exports: [OutboundGuard],
})
export class OutboundModule {}
