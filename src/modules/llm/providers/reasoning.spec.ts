import { OpeningThought } from './reasoning.js';

describe('a thought at the beginning of a text', () => {
  it('is told apart from the answer, wherever the text is cut', () => {
    const thought = new OpeningThought();
    const text = [...' <think>why</think>\n\nBecause'].map((piece) => thought.read(piece)).join('') + thought.end();
    expect([text, thought.takeThought()]).toEqual(['Because', 'why']);
  });

  it('is not waited for behind blanks without end, which would fill the memory', () => {
    const thought = new OpeningThought();
    const shown = Array.from({ length: 100 }, () => thought.read(' '.repeat(100))).join('');
    expect(thought.isOver).toBe(true);
    expect(shown).toHaveLength(10_000);
  });
});
