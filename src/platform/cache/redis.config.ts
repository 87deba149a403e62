import { IsOptional } from 'class-validator';
import { IsAddress } from '../config/checks.js';
import { Variable } from '../config/variable.decorator.js';

/** The optional Redis that instances share. */
export class RedisConfig {
  static readonly title = 'Redis';

  @Variable(
    'Address of Redis 5 or newer, redis:// or rediss://. With Redis, a client that follows an answer on another instance receives each piece at once; without it, or while it is down, the client receives new text every TURN_FLUSH_MS. Redis also shares the lists of models between instances. No data is lost with it.',
    { secret: true },
  )
  @IsOptional()
  @IsAddress('redis', 'rediss')
  redisUrl?: string;
}
