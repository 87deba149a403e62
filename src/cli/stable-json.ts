const WIDTH = 120;
// No raw line break can stand inside a JSON string, so these are whole arrays without objects in them.
const LONG_ARRAY = /\[\n\s+([^[\]{}\n]+(?:\n[^[\]{}\n]+)*)\n\s+\]/g;

/** JSON as Prettier writes it: two spaces, short arrays of plain values on one line, a line break at the end. */
export function stableJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  const short = text.replaceAll(LONG_ARRAY, (array: string, items: string, at: number) => {
    const line = `[${items.replaceAll(/\n\s*/g, ' ')}]`;
    const column = at - (text.lastIndexOf('\n', at) + 1);
    const isFollowed = text[at + array.length] === ',';
    return column + line.length + (isFollowed ? 1 : 0) <= WIDTH ? line : array;
  });
  return `${short}\n`;
}
