import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Transform } from 'node:stream';
import type { LlmError } from '../public/llm-error.js';
import type { Headers } from './answer-body.js';
import { badResponse } from './openai-errors.js';

type Decompressor = () => Transform;

// What is there when the network cuts a body off is still read.
const ZLIB = { finishFlush: constants.Z_SYNC_FLUSH };
const DECOMPRESSORS: ReadonlyMap<string, Decompressor> = new Map<string, Decompressor>([
  ['gzip', () => createGunzip(ZLIB)],
  ['x-gzip', () => createGunzip(ZLIB)],
  ['deflate', () => createInflate(ZLIB)],
  ['br', () => createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH })],
]);

interface Reader {
  readonly onData: (chunk: Buffer) => void;
  readonly onError: (error: LlmError) => void;
}

/**
 * What decompresses the body of a response with these headers, or null for a body that is not compressed. We ask for none
 * (`identity`), but some proxies compress whatever they pass on. Too large a body, and an unknown coding, are errors.
 */
export function inflationOf(headers: Headers, maxBytes: number, { onData, onError }: Reader): Transform | null {
  const coding = codingOf(headers);
  if (coding === null) return null;
  const inflation = DECOMPRESSORS.get(coding)?.() ?? null;
  if (inflation === null) onError(badResponse('The body is compressed in an unknown way'));
  let bytes = 0;
  inflation?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) {
      onData(chunk);
      return;
    }
    inflation.destroy();
    onError(badResponse('The body is too large when it is decompressed'));
  });
  inflation?.on('error', () => onError(badResponse('The body could not be decompressed')));
  return inflation;
}

/** The same for a body that is read as a whole: at most `maxBytes`. Throws `LlmError`. */
export async function inflated(headers: Headers, body: Buffer, maxBytes: number): Promise<Buffer> {
  if (codingOf(headers) === null) return body;
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const inflation = inflationOf(headers, maxBytes, { onData: (chunk) => chunks.push(chunk), onError: reject });
    inflation?.once('end', () => resolve(Buffer.concat(chunks))).end(body);
  });
}

/** Null for `identity`. */
function codingOf(headers: Headers): string | null {
  const coding = String(headers['content-encoding'] ?? '')
    .trim()
    .toLowerCase();
  return coding === '' || coding === 'identity' ? null : coding;
}
