import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { json, statement } from '../../platform/database/statement.js';

/** The price of a million tokens of a model from a point in time on, in millionths of a US dollar. */
export interface Price {
  readonly provider: string;
  readonly model: string;
  readonly validFrom: string;
  readonly inputMicroUsd: number;
  /** Null: the same price as other input. */
  readonly cachedInputMicroUsd: number | null;
  readonly outputMicroUsd: number;
  /** The version of the list that it comes from. */
  readonly version: string;
}

const INSERT = `
insert into prices (provider, model, valid_from, input_micro_usd, cached_input_micro_usd, output_micro_usd, version)
select p.provider, p.model, p."validFrom", p."inputMicroUsd", p."cachedInputMicroUsd", p."outputMicroUsd", p.version
from jsonb_to_recordset(:prices) as p (provider text, model text, "validFrom" timestamptz, "inputMicroUsd" bigint,
  "cachedInputMicroUsd" bigint, "outputMicroUsd" bigint, version text)
order by 1, 2, 3
on conflict on constraint pk_prices do`;

const ADD = statement<object>()('prices_add', { prices: json }, `${INSERT} nothing`);

const REPLACE = statement<object>()(
  'prices_replace',
  { prices: json },
  `${INSERT} update set input_micro_usd = excluded.input_micro_usd, version = excluded.version,
  cached_input_micro_usd = excluded.cached_input_micro_usd, output_micro_usd = excluded.output_micro_usd`,
);

@Injectable()
export class PricesRepository {
  constructor(private readonly system: SystemScope) {}

  /** Adds prices without overwriting those of the same model and time. */
  async add(prices: readonly Price[]): Promise<void> {
    await this.system.query('bring the prices of this release', ADD({ prices }));
  }

  /** Adds prices and overwrites those of the same model and time. */
  async replace(prices: readonly Price[]): Promise<void> {
    await this.system.query('load prices by the command line', REPLACE({ prices }));
  }
}
