/** Higher than any rank: not a token. */
export const NO_RANK = 0xffff_ffff;
const POSITIONS = 2 ** 32;

/** The rank of the token in the bytes of a piece from `start` to `end`; `NO_RANK` if they are no token. */
export type RankOf = (start: number, end: number) => number;

/**
 * Byte pair encoding: joins the two neighbouring parts with the lowest rank (the first pair, if several have it) until no two
 * form a token. Takes n log n for n bytes, even for text without breaks. Reuses its memory for the next piece. All reads are
 * inside its arrays, so no `?? 0` ever takes effect.
 */
export class Merges {
  /** For the first byte of a part, where the part ends and the next one begins. */
  private ends = new Uint32Array(0);
  /** For the first byte of a part, where the previous part begins. */
  private befores = new Int32Array(0);
  /** For the first byte of a part, the rank of the part joined with the next one. */
  private ranks = new Uint32Array(0);
  /** A binary heap of ranks with their positions, the lowest first. An entry is outdated if `ranks` has another value. */
  private heap = new Float64Array(0);
  private size = 0;

  /** The number of parts that remain of a piece of `length` bytes. */
  count(length: number, rankOf: RankOf): number {
    this.begin(length);
    let parts = length;
    for (let start = 0; start < length - 1; start++) this.rank(start, rankOf(start, start + 2));
    for (let start = this.takeLowest(); start !== null; start = this.takeLowest()) {
      const joined = this.ends[start] ?? 0;
      const end = this.ends[joined] ?? 0;
      const before = this.befores[start] ?? 0;
      this.ranks[joined] = NO_RANK;
      this.ends[start] = end;
      if (end < length) this.befores[end] = start;
      parts -= 1;
      this.rank(start, end < length ? rankOf(start, this.ends[end] ?? 0) : NO_RANK);
      if (before >= 0) this.rank(before, rankOf(before, end));
    }
    return parts;
  }

  private begin(length: number): void {
    if (this.ends.length < length) {
      this.ends = new Uint32Array(length);
      this.befores = new Int32Array(length);
      this.ranks = new Uint32Array(length);
      // Each byte adds one entry at first, and each merge, of which there are fewer, adds two.
      this.heap = new Float64Array(3 * length);
    }
    for (let i = 0; i < length; i++) {
      this.ends[i] = i + 1;
      this.befores[i] = i - 1;
    }
    this.ranks[length - 1] = NO_RANK;
    this.size = 0;
  }

  private rank(start: number, rank: number): void {
    this.ranks[start] = rank;
    if (rank === NO_RANK) return;
    const key = rank * POSITIONS + start;
    let place = this.size++;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if ((this.heap[above] ?? 0) <= key) break;
      this.heap[place] = this.heap[above] ?? 0;
      place = above;
    }
    this.heap[place] = key;
  }

  /** Where the next two parts to join begin; null if there are none. */
  private takeLowest(): number | null {
    while (this.size > 0) {
      const key = this.heap[0] ?? 0;
      this.removeLowest();
      const rank = Math.floor(key / POSITIONS);
      const start = key - rank * POSITIONS;
      if (this.ranks[start] === rank) return start;
    }
    return null;
  }

  private removeLowest(): void {
    const { heap } = this;
    const last = heap[--this.size] ?? 0;
    let place = 0;
    for (let below = 1; below < this.size; below = 2 * place + 1) {
      if (below + 1 < this.size && (heap[below + 1] ?? 0) < (heap[below] ?? 0)) below += 1;
      if ((heap[below] ?? 0) >= last) break;
      heap[place] = heap[below] ?? 0;
      place = below;
    }
    heap[place] = last;
  }
}
