import { SetMetadata } from '@nestjs/common';

export const ALLOW_UNVERIFIED = 'allowUnverified';

/**
 * Allows a write to users whose e-mail address is not verified, when REQUIRE_VERIFIED_EMAIL is on: for writes that concern
 * the account itself. Without this decorator, such users can only read.
 */
export const AllowUnverified = (): ClassDecorator & MethodDecorator => SetMetadata(ALLOW_UNVERIFIED, true);
