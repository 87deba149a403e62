import type { ContentPart, LlmMessage, LlmParams } from '../public/llm-provider.js';
import type { JsonObject } from './json-fields.js';
import type { Lesson } from './request-lessons.js';

/** What is asked of a model. */
export interface ChatCall {
  readonly messages: readonly LlmMessage[];
  readonly model: string;
  readonly params: LlmParams;
  /** Tried in order when the model fails, by servers that can. */
  readonly alternatives?: readonly string[];
}

type SentMessage = Omit<LlmMessage, 'role'> & { readonly role: LlmMessage['role'] | 'developer' };

/**
 * The JSON body of POST /chat/completions. Absent settings are left out, so that the provider's defaults hold.
 * @param extraBody fields that every request to this server carries
 * @param lessons what the server has refused before
 */
export function chatBody(
  extraBody: JsonObject,
  { model, messages, params, alternatives = [] }: ChatCall,
  isStream: boolean,
  lessons: readonly Lesson[],
): string {
  const { max_output_tokens: maxOutputTokens, ...sampling } = params;
  // Most servers know `max_tokens`, and OpenAI's newer models refuse it.
  const limit = lessons.includes('max_tokens') ? 'max_completion_tokens' : 'max_tokens';
  const optional = {
    ...sampling,
    [limit]: maxOutputTokens,
    stream_options: isStream ? { include_usage: true } : undefined,
  };
  return JSON.stringify({
    model,
    models: alternatives.length === 0 ? undefined : alternatives,
    messages: lessons.includes('system') ? withoutSystem(messages, lessons) : messages,
    stream: isStream,
    ...Object.fromEntries(Object.entries(optional).filter(([field]) => !lessons.includes(field))),
    ...extraBody,
  });
}

/** System messages under the role `developer`, or else as the beginning of the user's first message. */
function withoutSystem(messages: readonly LlmMessage[], lessons: readonly Lesson[]): readonly SentMessage[] {
  if (!lessons.includes('developer')) {
    return messages.map((message) => (message.role === 'system' ? { ...message, role: 'developer' } : message));
  }
  const system = messages.filter(({ role }) => role === 'system').flatMap(({ content }) => partsOf(content));
  const rest = messages.filter(({ role }) => role !== 'system');
  const first = rest.findIndex(({ role }) => role === 'user');
  if (first === -1) return [{ role: 'user', content: joined(system) }, ...rest];
  return rest.map((message, place) =>
    place === first ? { role: 'user', content: joined([...system, ...partsOf(message.content)]) } : message,
  );
}

function partsOf(content: LlmMessage['content']): readonly ContentPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

/** One text when there is nothing else. */
function joined(parts: readonly ContentPart[]): LlmMessage['content'] {
  const texts = parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  return texts.length === parts.length ? texts.join('\n\n') : parts;
}
