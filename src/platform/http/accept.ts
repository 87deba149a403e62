const EVENTS = 'text/event-stream';
const JSON_TYPE = 'application/json';
const QUALITY = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/**
 * Whether a client prefers server-sent events to JSON, by its `Accept` header (RFC 9110, 12.5.1). JSON wins when both have
 * the same quality, as in `application/json, text/event-stream`, which lists what a client can read.
 */
export function prefersEvents(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const ranges = accept.split(',').map(parseRange);
  return qualityOf(EVENTS, ranges) > qualityOf(JSON_TYPE, ranges);
}

interface MediaRange {
  readonly name: string;
  /** From 0, not acceptable, to 1. */
  readonly quality: number;
}

function parseRange(text: string): MediaRange {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const given = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  if (given === undefined) return { name, quality: 1 };
  return { name, quality: QUALITY.test(given) ? Number(given) : 0 };
}

/** The most specific range decides: the type itself, then `text/*`, then any type. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  for (const name of [type, type.replace(/\/.*/, '/*'), '*/*']) {
    const range = ranges.find((candidate) => candidate.name === name);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
