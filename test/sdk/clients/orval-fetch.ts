let base = '';
let authorization: Record<string, string> = {};

export function setServer(url: string, token?: string): void {
  base = url;
  if (token !== undefined) authorization = { authorization: `Bearer ${token}` };
}

/** What orval calls for every request: an answer of the server, whatever its status, is an answer. */
export async function orvalFetch<Answer>(path: string, options: RequestInit): Promise<Answer> {
  const headers = { ...Object.fromEntries(new Headers(options.headers)), ...authorization };
  const { status, headers: received, body, ...response } = await ask(path, { ...options, headers });
  const isStream = received.get('content-type')?.startsWith('text/event-stream') === true;
  return { status, headers: received, data: isStream ? body : await response.json() } as Answer;
}

async function ask(path: string, options: RequestInit) {
  const response = await fetch(base + path, options);
  const { status, headers, body } = response;
  return { status, headers, body, json: (): Promise<unknown> => response.json() };
}
