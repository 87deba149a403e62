import { loadConfig } from '../platform/config/load-config.js';
import { ENTITIES } from '../entities.js';
import { DataKeyRotation } from '../platform/crypto/data-key-rotation.js';
import { DataKeysRepository } from '../platform/crypto/data-keys.repository.js';
import { MasterKeys } from '../platform/crypto/master-keys.js';
import { appDataSource } from '../platform/database/data-source.js';
import { openDatabase } from '../platform/database/open-database.js';
import { SystemScope } from '../platform/database/system-scope.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import type { Environment } from './command.js';

/** Works with the settings of the server, as one more instance of it that only rotates. */
export async function rotateKeysCommand(env: Environment): Promise<void> {
  const config = loadConfig(env);
  const masters = new MasterKeys(config);
  const database = await openDatabase(config, false, console.error);
  try {
    const dataSource = await appDataSource(config, ENTITIES, () => undefined).initialize();
    try {
      const unitOfWork = new UnitOfWork(dataSource);
      const dataKeys = new DataKeysRepository(unitOfWork, new SystemScope(dataSource));
      const { wrapped, failed, reasons } = await new DataKeyRotation(masters, dataKeys, unitOfWork).run();
      console.log(`Wrapped ${wrapped} data keys by version ${masters.version}`);
      if (failed > 0) throw new Error(`${failed} data keys could not be wrapped: ${reasons.join('; ')}`);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await database.close();
  }
}
