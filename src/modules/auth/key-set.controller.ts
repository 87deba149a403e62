import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SigningKeys } from '../../platform/crypto/signing-keys.js';
import { Public } from '../../platform/http/public.decorator.js';
import { JsonWebKeySet } from './key-set.dto.js';

@ApiTags('Auth')
@Controller()
export class KeySetController {
  constructor(private readonly keys: SigningKeys) {}

  @Public()
  @Get('.well-known/jwks.json')
  @Header('Cache-Control', 'public, max-age=300')
  @ApiOperation({
    operationId: 'getKeySet',
    summary: 'Get the public signing keys',
    description:
      'The JSON Web Key Set (RFC 7517) for programs that verify access tokens themselves. It can be cached for five minutes.',
    security: [],
  })
  @ApiOkResponse({ type: JsonWebKeySet })
  getKeySet(): JsonWebKeySet {
    return { keys: this.keys.publicKeys() };
  }
}
