import { createParser } from 'eventsource-parser';
import type { Problem } from '../platform/http/problem.js';

const PROBE_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 30_000;
const TURN_TIMEOUT_MS = 15 * 60_000;

export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

/** The few requests of the demo. An error response throws one line with the request, the status and the text of the problem. */
export class DemoClient {
  accessToken: string | undefined;

  constructor(
    readonly url: string,
    private readonly interrupt: AbortSignal,
  ) {}

  /** Says in one line what is wrong with the server at `url`; null when a Parley server answers there. */
  static async probe(url: string): Promise<string | null> {
    try {
      const answer = await fetch(`${url}/health/live`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      const body = (await answer.json().catch(() => null)) as { status?: unknown } | null;
      return answer.ok && body?.status === 'ok' ? null : `The server at ${url} is not a Parley server`;
    } catch (error) {
      return unreachable(url, error);
    }
  }

  async request<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.send(method, path, body, REQUEST_TIMEOUT_MS);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }

  /** The events of a turn as they arrive. */
  async *stream(path: string, body: object): AsyncGenerator<StreamEvent> {
    const answer = await this.send('POST', path, body, TURN_TIMEOUT_MS);
    const arrived: StreamEvent[] = [];
    const parser = createParser({
      onEvent: ({ event = '', data }) => arrived.push({ event, data: JSON.parse(data) as unknown }),
    });
    for await (const text of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      parser.feed(text);
      yield* arrived.splice(0);
    }
  }

  /** Deletes the account, even after an interrupt. */
  async deleteAccount(password: string): Promise<void> {
    await this.send('DELETE', '/users/me', { password }, REQUEST_TIMEOUT_MS, false);
  }

  private async send(
    method: string,
    path: string,
    body: object | undefined,
    timeoutMs: number,
    isInterruptible = true,
  ): Promise<Response> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const answer = await fetch(this.url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.accessToken === undefined ? {} : { authorization: `Bearer ${this.accessToken}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: isInterruptible ? AbortSignal.any([timeout, this.interrupt]) : timeout,
    }).catch((error: unknown) => {
      this.interrupt.throwIfAborted();
      throw new Error(unreachable(this.url, error), { cause: error });
    });
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status} ${await reasonOf(answer)}`);
    return answer;
  }
}

async function reasonOf(answer: Response): Promise<string> {
  const problem = (await answer.json().catch(() => null)) as Partial<Problem> | null;
  if (problem?.code === undefined) return answer.statusText;
  const fields = (problem.errors ?? []).map(({ pointer, message }) => `${pointer} ${message}`).join(', ');
  return `${problem.code}: ${[problem.detail ?? problem.title, fields].filter(Boolean).join('; ')}`;
}

function unreachable(url: string, error: unknown): string {
  const { name, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `The server at ${url} did not answer in time`;
  if (cause?.code === undefined || /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/.test(cause.code)) {
    return `No server answers at ${url}`;
  }
  return `The connection to ${url} failed (${cause.message ?? cause.code})`;
}
