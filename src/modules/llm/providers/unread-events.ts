import type { LlmEvent } from '../public/llm-provider.js';

/** What has come of an answer and is still to be taken, in the order in which it is handed on. */
export class UnreadEvents {
  generation: LlmEvent | null = null;
  closing: LlmEvent[] = [];
  private reasoning = '';
  private text = '';

  /** Characters that wait. */
  get chars(): number {
    return this.text.length + this.reasoning.length;
  }

  /** Within what waits, reasoning comes first: a model thinks before it answers. */
  add(reasoning: string, text: string): void {
    this.reasoning += reasoning;
    this.text += text;
  }

  take(): LlmEvent | undefined {
    const { generation, reasoning, text } = this;
    if (generation !== null) {
      this.generation = null;
      return generation;
    }
    if (reasoning !== '') {
      this.reasoning = '';
      return { type: 'reasoning-delta', text: reasoning };
    }
    if (text === '') return this.closing.shift();
    this.text = '';
    return { type: 'text-delta', text };
  }

  forget(): void {
    this.generation = null;
    this.reasoning = this.text = '';
    this.closing = [];
  }
}
