import { Global, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuditModule } from '../platform/audit/audit.module.js';
import { ConfigModule } from '../platform/config/config.module.js';
import { loadConfig, SETTINGS_GROUPS } from '../app-config.js';
import { CryptoModule } from '../platform/crypto/crypto.module.js';
import { DataKeyRotation } from '../platform/crypto/data-key-rotation.js';
import { DatabaseModule } from '../platform/database/database.module.js';
import { openDatabase } from '../platform/database/open-database.js';
import { HttpModule } from '../platform/http/http.module.js';
import { Metrics } from '../platform/observability/metrics.js';
import { PRODUCT_DATABASE } from '../product-database.js';
import type { Environment } from './command.js';

/** The providers that a rotation needs beside the platform modules. It does not listen, not even for metrics. */
@Global()
@Module({ providers: [Metrics], exports: [Metrics] })
class RotationModule {}

/** Re-encrypts all data keys. It works with the settings of the server, like one more instance. */
export async function rotateKeysCommand(env: Environment): Promise<void> {
  const config = loadConfig(env);
  config.migrateOnStart = false;
  const database = await openDatabase(config, false, console.error);
  try {
    const imports = [
      ConfigModule.with(config, SETTINGS_GROUPS),
      CryptoModule,
      DatabaseModule.with(PRODUCT_DATABASE),
      HttpModule,
      AuditModule,
    ];
    // By default Nest would end the process itself, and leave the embedded database running.
    const app = await NestFactory.createApplicationContext(
      { module: RotationModule, imports },
      { logger: ['warn'], abortOnError: false },
    );
    try {
      const { wrapped, version, failed, reasons } = await app.get(DataKeyRotation).run();
      console.log(`Data keys encrypted with master key ${version}: ${wrapped}`);
      if (failed > 0) throw new Error(`data keys that could not be re-encrypted: ${failed} (${reasons.join('; ')})`);
    } finally {
      await app.close();
    }
  } finally {
    await database.close();
  }
}
