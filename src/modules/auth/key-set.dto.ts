import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

/** A public key (RFC 7517). `crv` and `x` belong to Ed25519, `n` and `e` to RSA. */
export class JsonWebKey {
  @ApiProperty({ enum: ['OKP', 'RSA'], enumName: 'KeyType' })
  kty?: string;

  @ApiProperty({ description: 'The thumbprint of the key (RFC 7638). Tokens name their key by it.' })
  kid: string;

  @ApiProperty({ enum: ['EdDSA', 'RS256'], enumName: 'SigningAlgorithm' })
  alg: string;

  @ApiProperty({ enum: ['sig'], enumName: 'KeyUse' })
  use: 'sig';

  @ApiPropertyOptional({ example: 'Ed25519' })
  crv?: string;

  @ApiPropertyOptional()
  x?: string;

  @ApiPropertyOptional()
  n?: string;

  @ApiPropertyOptional({ example: 'AQAB' })
  e?: string;
}

export class JsonWebKeySet {
  @ApiProperty({
    type: [JsonWebKey],
    description: 'Empty when the server signs tokens by a secret instead of a key pair.',
  })
  keys: JsonWebKey[];
}
