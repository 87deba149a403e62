/**
 * The columns that an export leaves out, with the reasons. All other columns are exported, including those of new
 * tables. A test fails for every column that looks like a secret and is not listed here or in the test.
 *
 * Other columns named `sealed…` are decrypted: the row has the plain values in their place.
 */
export const NOT_EXPORTED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  users: { password_hash: 'lets others guess at the password' },
  sign_ins: { seed: 'makes refresh tokens' },
  second_factors: {
    secret: 'makes the codes of the second factor',
    recovery_hashes: 'are only there to be compared with',
  },
  api_keys: { key_hash: 'is what a key is found by' },
  content_keys: { wrapped_key: 'opens what is stored encrypted' },
  data_keys: { wrapped_key: 'opens what is stored encrypted' },
  provider_keys: { sealed_key: 'is the key itself, in an envelope' },
  idempotency_keys: {
    request_hash: 'lets others guess at what was sent, passwords too',
    response: 'a copy of an answer, which may show a secret that is shown once',
  },
};
