import { Global, Module } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { createHostResolver, HOST_RESOLVER, type HostResolver } from './host-resolver.js';
import { OutboundGuard } from './outbound-guard.js';

@Global()
@Module({
  providers: [
    OutboundGuard,
    {
      provide: HOST_RESOLVER,
      inject: [AppConfig],
      useFactory: ({ providerDnsServers }: AppConfig): HostResolver => createHostResolver(providerDnsServers),
    },
  ],
  exports: [OutboundGuard],
})
export class OutboundModule {}
