export { TokenCounter } from '../../modules/llm/public/token-counter.js';
