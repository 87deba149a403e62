import { SetMetadata } from '@nestjs/common';

export const ALLOW_UNVERIFIED = 'allowUnverified';

/**
 * Leaves writes open to users whose e-mail address is not verified, where REQUIRE_VERIFIED_EMAIL asks for that: to what is
 * about the account itself. A write that says nothing is closed to them; reading is not.
 */
export const AllowUnverified = (): ClassDecorator & MethodDecorator => SetMetadata(ALLOW_UNVERIFIED, true);
