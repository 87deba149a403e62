/**
 * The settings of a turn without settings in its request and project, for the cost that a budget reserves. Other
 * modules own these settings; the root module provides them under this class.
 */
export abstract class TurnDefaults {
  /** Undefined means `offline`. */
  abstract readonly llmProvider?: string;
  abstract readonly openaiModel: string;
  abstract readonly openrouterModel: string;
  /** The most input tokens for the model. */
  abstract readonly contextTokens: number;
}
