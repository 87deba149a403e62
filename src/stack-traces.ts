import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The build; each of its files has a source map beside it. */
const BUILD = new URL('..', import.meta.url).href;

/**
 * Makes stack traces name lines of our TypeScript, like `--enable-source-maps`. That flag reads the maps of all loaded files,
 * including packages, which costs 14 MB and a sixth of a second at each start. Here, the map of one of our files is read only
 * when a trace contains that file.
 */
export function mapStackTraces(): void {
  const maps = new Map<string, SourceMap | undefined>();
  Error.prepareStackTrace = (error, frames) => {
    const lines = frames.map((frame) => {
      const text = String(frame);
      const file = frame.getFileName();
      if (file?.startsWith(BUILD) !== true) return text;
      if (!maps.has(file)) maps.set(file, mapOf(file));
      const [line, column] = [frame.getLineNumber() ?? 0, frame.getColumnNumber() ?? 0];
      const origin = maps.get(file)?.findOrigin(line, column);
      if (origin === undefined || !('fileName' in origin)) return text;
      const place = `${fileURLToPath(new URL(origin.fileName, file))}:${origin.lineNumber}:${origin.columnNumber}`;
      return text.replace(`${file}:${line}:${column}`, () => place);
    });
    return [headOf(error), ...lines.map((line) => `    at ${line}`)].join('\n');
  };
}

function mapOf(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(new URL(`${file}.map`), 'utf8')));
  } catch {
    // A trace with the built file is better than none.
    return undefined;
  }
}

function headOf(error: Error): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return 'Error';
  }
}
