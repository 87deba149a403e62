-- PricesRepository.add
begin; set local role parley_system;
insert into prices (provider, model, valid_from, input_micro_usd, cached_input_micro_usd, output_micro_usd, version)
select p.provider, p.model, p."validFrom", p."inputMicroUsd", p."cachedInputMicroUsd", p."outputMicroUsd", p.version
from jsonb_to_recordset($1) as p (provider text, model text, "validFrom" timestamptz, "inputMicroUsd" bigint,
  "cachedInputMicroUsd" bigint, "outputMicroUsd" bigint, version text)
order by 1, 2, 3
on conflict on constraint pk_prices do nothing;
commit;

-- PricesRepository.replace
begin; set local role parley_system;
insert into prices (provider, model, valid_from, input_micro_usd, cached_input_micro_usd, output_micro_usd, version)
select p.provider, p.model, p."validFrom", p."inputMicroUsd", p."cachedInputMicroUsd", p."outputMicroUsd", p.version
from jsonb_to_recordset($1) as p (provider text, model text, "validFrom" timestamptz, "inputMicroUsd" bigint,
  "cachedInputMicroUsd" bigint, "outputMicroUsd" bigint, version text)
order by 1, 2, 3
on conflict on constraint pk_prices do update set input_micro_usd = excluded.input_micro_usd, version = excluded.version,
  cached_input_micro_usd = excluded.cached_input_micro_usd, output_micro_usd = excluded.output_micro_usd;
commit;

