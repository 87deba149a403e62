import { type Abstract, type DynamicModule, Global, Module, type Type } from '@nestjs/common';

/** Makes the loaded settings injectable everywhere, by the class of each group. */
@Global()
@Module({})
export class ConfigModule {
  /** `groups` are the classes whose settings `config` contains. */
  static with<T extends object>(
    config: T,
    groups: readonly (Type<Partial<T>> | Abstract<Partial<T>>)[],
  ): DynamicModule {
    const providers = groups.map((group) => ({ provide: group, useValue: config }));
    return { module: ConfigModule, providers, exports: [...groups] };
  }
}
