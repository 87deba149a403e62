/**
 * What a turn uses when neither its request nor its project says otherwise, for the cost that a budget reserves. Other
 * modules own these settings; the roof provides them under this class.
 */
export abstract class TurnDefaults {
  /** Undefined means `offline`. */
  abstract readonly llmProvider?: string;
  abstract readonly openaiModel: string;
  abstract readonly openrouterModel: string;
  /** Most tokens that the model may read. */
  abstract readonly contextTokens: number;
}
