/** How often an attack tried, and what was accepted of it. */
export class Report {
  tries = 0;
  accepted = [];

  /** One try; it is refused when `isRefused` says so, else `seen` is shown with it. */
  judge(what, isRefused, seen) {
    this.tries += 1;
    if (!isRefused) this.accepted.push(seen === undefined ? what : `${what}: ${shown(seen)}`);
  }

  /** For attacks that measure: wrong once may be the machine, wrong twice is the server. */
  async judgeTwice(what, measure) {
    let seen = await measure();
    if (!seen.isRefused) seen = await measure();
    this.judge(what, seen.isRefused, seen.facts);
  }
}

function shown(seen) {
  if (typeof seen !== 'object' || seen === null) return String(seen).slice(0, 300);
  const { status, text } = seen;
  return (status === undefined ? JSON.stringify(seen) : `${status} ${text ?? ''}`).slice(0, 300);
}
