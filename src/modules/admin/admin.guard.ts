import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AdminService } from './admin.service.js';

/**
 * Lets admins in and answers 403 to everybody else, before anything of the request is looked at: so a stranger learns
 * nothing about ids. The role is read each time, because a token would outlive it. Runs after the guard of tokens.
 */
@Injectable()
export class AdminGuard implements CanActivate {
  constructor(private readonly admin: AdminService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { user } = context.switchToHttp().getRequest<FastifyRequest & { user: Actor }>();
    await this.admin.requireAdmin(user);
    return true;
  }
}
