import type { TestUser } from './as-user.js';

export interface ListedPage<T> {
  readonly data: T[];
  readonly next_cursor: string | null;
}

/** Reads a list to its end by its cursors, page by page. */
export async function listPages<T>(user: TestUser, path: string, limit: number): Promise<T[][]> {
  const pages: T[][] = [];
  let cursor: string | null = null;
  do {
    const separator = path.includes('?') ? '&' : '?';
    const place: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await user.get(`${path}${separator}limit=${limit}${place}`).expect(200);
    const page = response.body as ListedPage<T>;
    pages.push(page.data);
    cursor = page.next_cursor;
  } while (cursor !== null && pages.length < 100);
  return pages;
}
