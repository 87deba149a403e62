import { type DynamicModule, Module } from '@nestjs/common';
import { AdminModule } from './modules/admin/admin.module.js';
import { AuthModule } from './modules/auth/auth.module.js';
import { ChatModule } from './modules/chat/chat.module.js';
import { LimitsModule } from './modules/limits/limits.module.js';
import { LlmModule } from './modules/llm/llm.module.js';
import { PrivacyModule } from './modules/privacy/privacy.module.js';
import { ProjectsModule } from './modules/projects/projects.module.js';
import { PromptsModule } from './modules/prompts/prompts.module.js';
import { ProviderKeysModule } from './modules/provider-keys/provider-keys.module.js';
import { TurnDefaults } from './modules/usage/public/turn-defaults.js';
import { UsageModule } from './modules/usage/usage.module.js';
import { UsersModule } from './modules/users/users.module.js';
import { AuditModule } from './platform/audit/audit.module.js';
import { CacheModule } from './platform/cache/cache.module.js';
import { type AppConfig, SETTINGS_GROUPS } from './app-config.js';
import { CircuitsModule } from './platform/circuits/circuits.module.js';
import { ConfigModule } from './platform/config/config.module.js';
import { CryptoModule } from './platform/crypto/crypto.module.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { HealthModule } from './platform/health/health.module.js';
import { HttpModule } from './platform/http/http.module.js';
import { LoadModule } from './platform/load/load.module.js';
import { IdempotencyModule } from './platform/idempotency/idempotency.module.js';
import { RevocationsModule } from './platform/revocations/revocations.module.js';
import { OwnershipModule } from './platform/ownership/ownership.module.js';
import { MailModule } from './platform/mail/mail.module.js';
import { RateLimitModule } from './platform/rate-limit/rate-limit.module.js';
import { OutboundModule } from './platform/outbound/outbound.module.js';
import { JobsModule } from './platform/jobs/jobs.module.js';
import { ObservabilityModule } from './platform/observability/observability.module.js';
import { CountingLimit } from './platform/tokens/token-counter.js';
import { TokensModule } from './platform/tokens/tokens.module.js';
import { PRODUCT_DATABASE } from './product-database.js';

/** Modules without settings, from the lowest floor to the highest. */
const FLOORS = [
  CacheModule,
  HttpModule,
  RateLimitModule,
  MailModule,
  JobsModule,
  IdempotencyModule,
  OwnershipModule,
  RevocationsModule,
  CircuitsModule,
  LoadModule,
  AuditModule,
  OutboundModule,
  TokensModule,
  HealthModule,
  UsersModule,
  LimitsModule,
  LlmModule,
  UsageModule,
  AuthModule,
  ProjectsModule,
  PrivacyModule,
  PromptsModule,
  ProviderKeysModule,
  ChatModule,
  AdminModule,
];

/** The root module. */
@Module({})
export class AppModule {
  static with(config: AppConfig): DynamicModule {
    const ground = [
      ConfigModule.with(config, [...SETTINGS_GROUPS, TurnDefaults, CountingLimit]),
      ObservabilityModule,
      CryptoModule,
      DatabaseModule.with(PRODUCT_DATABASE),
    ];
    return { module: AppModule, imports: [...ground, ...FLOORS] };
  }
}
