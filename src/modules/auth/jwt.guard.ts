import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { AppError } from '../../kernel/errors/app-error.js';
import { IS_PUBLIC } from '../../platform/http/public.decorator.js';

/** Guards every route of the application; `@Public()` is the only way around it. */
@Injectable()
export class JwtGuard extends AuthGuard('jwt') {
  constructor(private readonly reflector: Reflector) {
    super();
  }

  override canActivate(
    context: ExecutionContext,
  ): ReturnType<InstanceType<ReturnType<typeof AuthGuard>>['canActivate']> {
    const isPublic = this.reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, [
      context.getHandler(),
      context.getClass(),
    ]);
    return isPublic === true ? true : super.canActivate(context);
  }

  override handleRequest<T>(_error: unknown, actor: T | false): T {
    // Why a token was refused helps only those who forge tokens.
    if (actor === false || actor == null) throw new AppError('unauthenticated');
    return actor;
  }
}
