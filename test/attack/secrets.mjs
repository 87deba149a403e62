const TAIL = 12;

/** What must never be found in plain text: every secret that a run has made, with the name of its kind. */
export class Secrets {
  all = new Map();

  /** Spellings shorter than this could be found anywhere. @returns {string} the first one */
  add(kind, ...spellings) {
    for (const text of spellings) if (typeof text === 'string' && text.length >= TAIL) this.all.set(text, kind);
    return spellings[0];
  }

  /**
   * How often each secret is in a text. Thousands of secrets in a hundred megabytes: one pass over the text, which looks
   * closer only where two characters are the last ones of some secret.
   */
  countIn(text) {
    const byTail = new Map();
    for (const secret of this.all.keys()) {
      const tail = secret.slice(-TAIL);
      byTail.set(tail, [...(byTail.get(tail) ?? []), secret]);
    }
    const isLast = new Uint8Array(2 ** 16);
    const pair = (at, from) => ((from.charCodeAt(at - 1) & 255) << 8) | (from.charCodeAt(at) & 255);
    for (const tail of byTail.keys()) isLast[pair(TAIL - 1, tail)] = 1;
    const counts = new Map();
    for (let at = TAIL - 1; at < text.length; at++) {
      if (isLast[pair(at, text)] === 0) continue;
      for (const secret of byTail.get(text.slice(at + 1 - TAIL, at + 1)) ?? []) {
        if (text.startsWith(secret, at + 1 - secret.length)) counts.set(secret, (counts.get(secret) ?? 0) + 1);
      }
    }
    return counts;
  }
}
