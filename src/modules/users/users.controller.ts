import { Body, Controller, Get, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../kernel/actor.js';
import { AllowUnverified } from '../../platform/http/allow-unverified.decorator.js';
import { ApiProblems } from '../../platform/http/api-problems.decorator.js';
import { CurrentActor } from '../../platform/http/current-actor.decorator.js';
import { UserResponse } from './public/user.dto.js';
import { presentUser } from './public/user-directory.js';
import { UpdateMeRequest } from './user.dto.js';
import { UsersService } from './users.service.js';

@ApiTags('Users')
@Controller('users')
@AllowUnverified()
@ApiProblems('unauthenticated')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get('me')
  @ApiOperation({ operationId: 'getMe', summary: 'Get the account', description: 'The account that is signed in.' })
  @ApiOkResponse({ type: UserResponse })
  async getMe(@CurrentActor() actor: Actor): Promise<UserResponse> {
    return presentUser(await this.users.getMe(actor));
  }

  @Patch('me')
  @ApiOperation({
    operationId: 'updateMe',
    summary: 'Change the account',
    description: 'Changes the display name. Absent fields keep their values.',
  })
  @ApiOkResponse({ type: UserResponse })
  @ApiProblems('validation_failed')
  async updateMe(@CurrentActor() actor: Actor, @Body() body: UpdateMeRequest): Promise<UserResponse> {
    return presentUser(await this.users.updateMe(actor, body));
  }
}
