import type { LlmEvent } from '../public/llm-provider.js';
import { isJsonObject, textOrNull } from './json-fields.js';

interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

const MAX_TOOL_CALLS = 128;

/** Puts tool calls together whose pieces come in many frames. */
export class ToolCallPieces {
  private readonly calls = new Map<number, ToolCall>();

  /** @param measure gives back what of the arguments still fits into the largest answer */
  constructor(private readonly measure: (text: string) => string) {}

  add(deltas: readonly unknown[]): void {
    for (const [place, delta] of deltas.entries()) this.addOne(delta, place);
  }

  toEvents(): LlmEvent[] {
    return Array.from(this.calls.values(), (call) => ({ type: 'tool-call', ...call }));
  }

  private addOne(delta: unknown, place: number): void {
    if (!isJsonObject(delta)) return;
    const index = typeof delta.index === 'number' ? delta.index : place;
    let call = this.calls.get(index);
    if (call === undefined) {
      if (this.calls.size === MAX_TOOL_CALLS) return;
      call = { id: textOrNull(delta.id) ?? `call_${index}`, name: '', arguments: '' };
      this.calls.set(index, call);
    }
    if (!isJsonObject(delta.function)) return;
    if (call.name === '') call.name = textOrNull(delta.function.name) ?? '';
    if (typeof delta.function.arguments === 'string') call.arguments += this.measure(delta.function.arguments);
  }
}
