import type {
  LlmEvent,
  LlmMessage,
  LlmOptions,
  LlmParams,
  LlmProvider,
} from '../../src/modules/llm/public/llm-provider.js';

/** A provider under test and questions to which its answers are known to be of a kind. */
export interface ContractSubject {
  readonly provider: LlmProvider;
  readonly ask: {
    /** Ends by itself; several words, with characters outside ASCII. */
    readonly plain: string;
    /** Ends by `params.max_output_tokens` of 3. */
    readonly cut: string;
    /** Takes at least 100 ms, in many pieces. */
    readonly slow: string;
  };
}

const conversation = (question: string): LlmMessage[] => [
  { role: 'system', content: 'Be brief.' },
  { role: 'system', content: 'Be kind.' },
  { role: 'user', content: 'Earlier question' },
  { role: 'assistant', content: 'Earlier answer' },
  { role: 'user', content: question },
];

const optionsWith = (params: LlmParams): LlmOptions => ({ model: null, params });

export async function collect(events: AsyncIterable<LlmEvent>): Promise<LlmEvent[]> {
  const collected: LlmEvent[] = [];
  for await (const event of events) collected.push(event);
  return collected;
}

export function textOf(events: readonly LlmEvent[]): string {
  return events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
}

export function finishOf(events: readonly LlmEvent[]): Extract<LlmEvent, { type: 'finish' }> {
  const last = events.at(-1);
  if (last?.type !== 'finish') throw new Error(`The last event is ${last?.type}`);
  return last;
}

/** What the socket promises (public/llm-provider.ts), the same for every provider. */
export function describeProviderContract(name: string, setUp: () => ContractSubject): void {
  describe(`provider contract: ${name}`, () => {
    let subject: ContractSubject;
    beforeAll(() => {
      subject = setUp();
    });

    const stream = (question: string, params: LlmParams = {}, signal = new AbortController().signal) =>
      subject.provider.stream(conversation(question), optionsWith(params), signal);

    describeAnswers(() => subject, stream);
    describeEndings(() => subject, stream);
    describeProbes(() => subject);
  });
}

type Stream = (question: string, params?: LlmParams, signal?: AbortSignal) => AsyncIterable<LlmEvent>;

function describeAnswers(subject: () => ContractSubject, stream: Stream): void {
  it('streams text, at most one generation before all else, at most one usage, and exactly one finish, which is last', async () => {
    const events = await collect(stream(subject().ask.plain));
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type === 'finish')).toHaveLength(1);
    expect(types.at(-1)).toBe('finish');
    expect(types.lastIndexOf('generation')).toBeLessThan(1);
    expect(types.filter((type) => type === 'usage').length).toBeLessThanOrEqual(1);
    for (const event of events) {
      if (event.type === 'text-delta' || event.type === 'reasoning-delta') expect(event.text).not.toBe('');
    }
    expect(finishOf(events).reason).toBe('stop');
    const pieces = (await collect(stream(subject().ask.slow))).filter(({ type }) => type === 'text-delta');
    expect(pieces.length).toBeGreaterThan(1);
  });

  it('generates the same as it streams', async () => {
    const events = await collect(stream(subject().ask.plain));
    const whole = await subject().provider.generate(conversation(subject().ask.plain), optionsWith({}));
    const finish = finishOf(events);
    const told = events.find((event) => event.type === 'usage');
    expect(whole.text).toBe(textOf(events));
    expect(whole.text).toMatch(/[^\x20-\x7e\n]/);
    expect(whole).toMatchObject({
      finishReason: finish.reason,
      rawFinishReason: finish.rawReason,
      model: finish.model,
    });
    expect(whole.usage).toEqual(told?.usage ?? null);
    expect(whole.rawUsage === null).toBe((told?.rawUsage ?? null) === null);
  });

  it('counts in whole numbers or says null', async () => {
    const { usage } = await subject().provider.generate(conversation(subject().ask.plain), optionsWith({}));
    for (const count of Object.values(usage ?? {})) {
      if (count !== null) expect(Number.isSafeInteger(count) && (count as number) >= 0).toBe(true);
    }
  });

  it('says length when the answer was cut', async () => {
    const params = { max_output_tokens: 3 };
    expect(finishOf(await collect(stream(subject().ask.cut, params))).reason).toBe('length');
    const whole = await subject().provider.generate(conversation(subject().ask.cut), optionsWith(params));
    expect(whole.finishReason).toBe('length');
  });

  it('keeps twenty streams apart', async () => {
    const questions = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? subject().ask.plain : subject().ask.cut));
    const params = (question: string) => (question === subject().ask.cut ? { max_output_tokens: 3 } : {});
    const alone = new Map<string, string>();
    for (const question of questions.slice(0, 2)) {
      alone.set(question, textOf(await collect(stream(question, params(question)))));
    }
    const texts = await Promise.all(questions.map(async (q) => textOf(await collect(stream(q, params(q))))));
    expect(texts).toEqual(questions.map((question) => alone.get(question)));
    expect(new Set(texts).size).toBe(2);
  });
}

function describeEndings(subject: () => ContractSubject, stream: Stream): void {
  it('throws the reason of an abort that came before the call', async () => {
    const abort = new AbortController();
    const reason = new Error('stopped before');
    abort.abort(reason);
    await expect(collect(stream(subject().ask.plain, {}, abort.signal))).rejects.toBe(reason);
    const { provider, ask } = subject();
    await expect(provider.generate(conversation(ask.plain), optionsWith({}), abort.signal)).rejects.toBe(reason);
  });

  it('throws the reason of an abort at once, and yields nothing after it', async () => {
    const abort = new AbortController();
    const reason = new Error('stopped');
    const events = stream(subject().ask.slow, {}, abort.signal)[Symbol.asyncIterator]();
    let first = (await events.next()).value as LlmEvent;
    if (first.type === 'generation') first = (await events.next()).value as LlmEvent;
    expect(first.type).toBe('text-delta');
    const pending = events.next().then(() => events.next());
    const start = performance.now();
    abort.abort(reason);
    await expect(pending.then(() => events.next())).rejects.toBe(reason);
    expect(performance.now() - start).toBeLessThan(500);
    await expect(events.next()).resolves.toMatchObject({ done: true });
  });

  it('leaves no listener on the signal of a call that is over', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    await collect(stream(subject().ask.plain, {}, signal));
    for await (const _event of stream(subject().ask.plain, {}, signal)) break;
    expect(listeners).toBe(0);
  });

  it('lets a reader leave in the middle, and answers the next call', async () => {
    for await (const event of stream(subject().ask.slow)) {
      if (event.type === 'generation') continue;
      expect(event.type).toBe('text-delta');
      break;
    }
    await expect(collect(stream(subject().ask.plain))).resolves.not.toHaveLength(0);
  });
}

function describeProbes(subject: () => ContractSubject): void {
  it('has a default model and lists models with their ids', async () => {
    expect(subject().provider.defaultModel).not.toBe('');
    const models = await subject().provider.listModels();
    expect(models.length).toBeGreaterThan(0);
    for (const { id, contextWindow } of models) {
      expect(id).not.toBe('');
      expect(contextWindow === null || contextWindow > 0).toBe(true);
    }
  });

  it('validates its connection and never throws', async () => {
    const { provider } = subject();
    await expect(provider.validateConnection()).resolves.toEqual({ ok: true });
    const check = await provider.validateConnection(AbortSignal.abort());
    expect(check).toEqual({ ok: false, reason: expect.stringMatching(/^[^\n]+$/) });
  });
}
