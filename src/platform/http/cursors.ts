import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { CursorCodec } from '../../kernel/cursor.js';
import { KeyRing } from '../crypto/key-ring.js';
import type { Page, PageQuery } from './page.dto.js';

export type Position = readonly (string | number | null)[];

/** Keyset pages: reads the cursor of a request and writes the next one. */
@Injectable()
export class Cursors {
  private readonly codec: CursorCodec;

  constructor(keys: KeyRing) {
    this.codec = new CursorCodec(keys.deriveAll('list-cursor'));
  }

  /** The position after which a page starts, or null for the first page. Throws `invalid_cursor`. */
  position(scope: string, { cursor }: PageQuery): Position | null {
    if (cursor === undefined) return null;
    const position = this.codec.decode(scope, cursor);
    if (position === null) throw new AppError('invalid_cursor');
    return position;
  }

  /** As `position`, for a list that is ordered by one text or id. */
  textPosition(scope: string, query: PageQuery): string | null {
    const [first] = this.position(scope, query) ?? [];
    return typeof first === 'string' ? first : null;
  }

  /** Makes a page from rows that were read with `limit + 1`: the extra row only shows that there is a next page. */
  page<R, T>(
    scope: string,
    { limit }: PageQuery,
    rows: readonly R[],
    keys: (row: R) => Position,
    present: (row: R) => T,
  ): Page<T> {
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    const hasMore = rows.length > limit && last !== undefined;
    return { data: shown.map(present), next_cursor: hasMore ? this.codec.encode(scope, keys(last)) : null };
  }
}
