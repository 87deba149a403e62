import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AdminService } from './admin.service.js';

/**
 * Admits admins and answers 403 to everybody else before it looks at the rest of the request, so a stranger learns
 * nothing about ids. It reads the role from the database for each request, because a token can outlive the role. It
 * runs after the token guard.
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
