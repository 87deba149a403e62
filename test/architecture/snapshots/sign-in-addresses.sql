-- SignInAddressesRepository.isKnown
select 1 from sign_in_addresses
where user_id = $1 and address_hash = $2 and last_used_at > now() - interval '90 days';

-- SignInAddressesRepository.insert
with old as (
  delete from sign_in_addresses where user_id = $1 and last_used_at < now() - interval '90 days' and address_hash <> $2
)
insert into sign_in_addresses (user_id, address_hash) values ($1, $2)
on conflict on constraint pk_sign_in_addresses do update set last_used_at = now();

