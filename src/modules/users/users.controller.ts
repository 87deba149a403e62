import { Body, Controller, Get, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { Idempotent } from '../../platform/idempotency/idempotency.interceptor.js';
import { User } from './public/user.dto.js';
import { presentUser } from './public/user-directory.js';
import { UpdateUserRequest } from './user.dto.js';
import { UsersService } from './users.service.js';

@ApiTags('Users')
@Controller('users')
@AllowUnverified()
@ApiProblems('unauthenticated')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get('me')
  @ApiOperation({ operationId: 'getMe', summary: 'The signed-in user' })
  @ApiOkResponse({ type: User })
  async getMe(@CurrentActor() actor: Actor): Promise<User> {
    return presentUser(await this.users.getMe(actor));
  }

  @Idempotent()
  @Patch('me')
  @ApiOperation({ operationId: 'updateMe', summary: 'Change the display name' })
  @ApiOkResponse({ type: User })
  @ApiProblems('validation_failed')
  async updateMe(@CurrentActor() actor: Actor, @Body() body: UpdateUserRequest): Promise<User> {
    return presentUser(await this.users.updateMe(actor, body));
  }
}
