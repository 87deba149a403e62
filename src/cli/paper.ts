import type { WriteStream } from 'node:tty';

const MAX_WIDTH = 88;
const MIN_WIDTH = 40;
const GUTTER = '    │ ';

/** Prints the demo: headings, requests, and answers while they are written. It uses colours only on a terminal. */
export class Paper {
  private readonly hasColours: boolean;
  private readonly width: number;
  private headings = 0;
  private isLineOpen = false;

  constructor(
    private readonly out: WriteStream,
    env: NodeJS.ProcessEnv,
  ) {
    // https://no-color.org: any value except the empty one disables colours. A terminal of unknown width reports 0.
    this.hasColours = out.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
    this.width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, out.columns || MAX_WIDTH));
  }

  title(text: string): void {
    this.line(`\n${this.paint(1, text)}`);
  }

  heading(text: string): void {
    this.headings += 1;
    this.line(`\n${this.paint(1, `${this.headings}. ${text}`)}`);
  }

  /** Prints a request line and the body. */
  request(method: string, path: string, body?: object): void {
    this.line(`  ${this.paint(36, method)} ${this.paint(36, path)}`);
    if (body === undefined) return;
    for (const line of this.wrapped(JSON.stringify(body), 4)) this.line(`    ${this.paint(2, line)}`);
  }

  /** Prints the result of a request. */
  result(text: string): void {
    for (const [index, line] of this.wrapped(text, 4).entries()) {
      this.line(`  ${index === 0 ? this.paint(32, '→') : ' '} ${line}`);
    }
  }

  aside(text: string): void {
    this.line(this.paint(2, text));
  }

  blank(): void {
    this.line('');
  }

  /** Prints a complete text, indented like an answer. */
  quote(text: string): void {
    const writer = this.answer();
    writer.write(text);
    writer.end();
  }

  /** Returns a writer for an answer that arrives word by word. */
  answer(): AnswerWriter {
    return new AnswerWriter((text) => this.write(text), this.paint(2, GUTTER), this.width - GUTTER.length);
  }

  /** Ends an unfinished line, so that later output begins on a new line. */
  stop(): void {
    if (this.isLineOpen) this.write('\n');
  }

  private wrapped(text: string, indent: number): string[] {
    const lines: string[] = [];
    for (const word of text.split(' ')) {
      const last = lines.at(-1);
      if (last !== undefined && last.length + word.length + 1 <= this.width - indent)
        lines.splice(-1, 1, `${last} ${word}`);
      else lines.push(word);
    }
    return lines;
  }

  private line(text: string): void {
    this.stop();
    this.write(`${text}\n`);
  }

  private write(text: string): void {
    this.out.write(text);
    this.isLineOpen = !text.endsWith('\n');
  }

  private paint(code: number, text: string): string {
    return this.hasColours ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** Wraps a text that arrives in pieces between words. It writes a word once the word is complete. */
class AnswerWriter {
  private word = '';
  private column = 0;
  private emptyLines = 0;

  constructor(
    private readonly put: (text: string) => void,
    private readonly gutter: string,
    private readonly width: number,
  ) {}

  write(text: string): void {
    for (const piece of text.split(/(\n|[^\S\n]+)/)) {
      if (piece === '\n') this.breakLine();
      else if (piece.trim() === '') this.flush();
      else this.word += piece;
    }
  }

  end(): void {
    this.flush();
    if (this.column > 0) this.put('\n');
    this.column = 0;
  }

  private flush(): void {
    if (this.word === '') return;
    if (this.column > 0 && this.column + 1 + this.word.length > this.width) this.breakLine(false);
    if (this.column === 0) {
      this.put(`${this.gutter.trimEnd()}\n`.repeat(this.emptyLines));
      this.emptyLines = 0;
      this.put(this.gutter);
    } else {
      this.put(' ');
      this.column += 1;
    }
    this.put(this.word);
    this.column += this.word.length;
    this.word = '';
  }

  /** Holds empty lines back until the next word, so that the output does not end with one. */
  private breakLine(withFlush = true): void {
    if (withFlush) this.flush();
    if (this.column > 0) this.put('\n');
    else this.emptyLines += 1;
    this.column = 0;
  }
}
