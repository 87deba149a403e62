import { CursorCodec } from './cursor.js';

describe('CursorCodec', () => {
  const codec = new CursorCodec([Buffer.from('a key')]);
  const position = ['2026-01-01T00:00:00.123Z', 7, null, 'ünïcödé "quoted"'];
  const cursor = codec.encode('list of ada', position);

  it('decodes the encoded position for the same list', () => {
    expect(codec.decode('list of ada', cursor)).toEqual(position);
    expect(new CursorCodec([Buffer.from('a key')]).decode('list of ada', cursor)).toEqual(position);
    expect(codec.decode('x', codec.encode('x', []))).toEqual([]);
  });

  it('makes cursors that need no escaping in a URL', () => {
    for (let i = 0; i < 100; i++) expect(codec.encode('list', [i, 'ÿ'.repeat(i)])).toMatch(/^[\w-]+$/);
  });

  it('refuses a cursor of another list', () => {
    for (const scope of ['list of eve', '', 'list of ada\0', 'list of ad']) {
      expect(codec.decode(scope, cursor)).toBeNull();
    }
  });

  it('separates scope and position, so that text cannot move from one to the other', () => {
    const [ab, a] = [codec.encode('a\0["b"]', []), codec.encode('a', ['b'])];
    expect(codec.decode('a', ab)).toBeNull();
    expect(codec.decode('a\0["b"]', a)).toBeNull();
  });

  it('refuses a cursor that another key signed', () => {
    expect(new CursorCodec([Buffer.from('another key')]).decode('list of ada', cursor)).toBeNull();
  });

  it('accepts a cursor of a previous key, and signs with the newest', () => {
    const both = new CursorCodec([Buffer.from('a new key'), Buffer.from('a key')]);
    expect(both.decode('list of ada', cursor)).toEqual(position);
    expect(codec.decode('list of ada', both.encode('list of ada', position))).toBeNull();
  });

  it('refuses a cursor in which any bit was changed', () => {
    const bytes = Buffer.from(cursor, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(codec.decode('list of ada', forged.toString('base64url'))).toBeNull();
    }
  });

  it('refuses another spelling of the same bytes', () => {
    for (const forged of [
      `${cursor}=`,
      `${cursor}!`,
      ` ${cursor}`,
      `${cursor}A`,
      `${cursor.slice(0, 5)}\n${cursor.slice(5)}`,
    ]) {
      expect(codec.decode('list of ada', forged)).toBeNull();
    }
  });

  it.each(['', 'x', 'AAAA', 'A'.repeat(16), 'A'.repeat(17), '😀', cursor.slice(0, -1), cursor.slice(1), '\0'])(
    'refuses %j, and does not throw',
    (garbage) => {
      expect(codec.decode('list of ada', garbage)).toBeNull();
    },
  );
});
