import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import type { ContentKey } from '../../../platform/crypto/content-keys.js';
import { Pipeline } from '../../../platform/database/pipeline.js';
import type { Rows, Statement } from '../../../platform/database/statement.js';
import { EncryptedContent, encryptSummary } from '../storage/encrypted-content.js';
import type { Summary } from '../turn.js';
import { type AgedRow, CLAIM_SUMMARY, READ_AGED, SAVE_SUMMARY } from './summary-statements.js';

type Tenant = Pick<Actor, 'userId'>;

export type AgedMessage = AgedRow & { readonly role: 'user' | 'assistant' };

/** The part of a path that is due to be summarised. */
export interface AgedPart {
  /** The summary of everything before. */
  readonly before: Summary | null;
  /** Whole turns, oldest first; never empty. */
  readonly messages: readonly AgedMessage[];
  /** Whether this is everything that is due. */
  readonly isWhole: boolean;
}

/**
 * How much at the end of a path is left alone, and how much before that is read at once. In tokens, except
 * `keptMessages`.
 */
export interface Cut {
  readonly keptTokens: number;
  readonly keptMessages: number;
  readonly readTokens: number;
}

/** Summaries in the database. Each call is a short transaction of its own. */
@Injectable()
export class SummaryStore {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly contents: EncryptedContent,
  ) {}

  /** The part of the path to an answer that should be summarised next; null when nothing is due. */
  async findAged({ userId }: Tenant, leafId: string, cut: Cut): Promise<AgedPart | null> {
    const rows = await this.run({ userId }, READ_AGED({ userId, leafId, ...cut }));
    const before = rows.find(({ role }) => role === 'summary');
    const messages = rows.filter((row): row is AgedMessage => row.role !== 'summary');
    const due = messages[0]?.count ?? 0;
    if (messages.length === 0) return null;
    return {
      before:
        before === undefined
          ? null
          : { content: before.content, tokens: before.tokens ?? 0, messageCount: before.count },
      messages,
      isWhole: messages.length === due,
    };
  }

  /** True when the caller may make the summary up to a message. The claim expires after `leaseMs`. */
  async claim({ userId }: Tenant, messageId: string, sessionId: string, leaseMs: number): Promise<boolean> {
    return (await this.run({ userId }, CLAIM_SUMMARY({ userId, messageId, sessionId, leaseMs }))).length > 0;
  }

  /**
   * False when there is one already, or the session is gone.
   * @param contentKey null when the project does not encrypt its content
   */
  async save({ userId }: Tenant, messageId: string, summary: Summary, contentKey: ContentKey | null): Promise<boolean> {
    const { content, tokens: contentTokens, messageCount } = summary;
    const encrypted = encryptSummary(contentKey, messageId, content);
    const statement = SAVE_SUMMARY({ userId, messageId, ...encrypted, contentTokens, messageCount });
    return (await this.run({ userId }, statement)).length > 0;
  }

  /** Runs a statement and decrypts its rows. */
  private async run<Row extends object>(actor: Tenant, statement: Statement<Row>): Promise<Rows<Row>> {
    const [rows] = await this.pipeline.run(actor, [statement]);
    await this.contents.decrypt(actor.userId, rows);
    return rows;
  }
}
