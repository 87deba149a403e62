import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import type { ContentKey } from '../../../platform/crypto/content-keys.js';
import { Pipeline } from '../../../platform/database/pipeline.js';
import type { Statement } from '../../../platform/database/statement.js';
import { SealedContent, sealSummary } from '../storage/sealed-content.js';
import type { Summary } from './context-builder.js';
import * as sql from './summary-statements.js';

type Tenant = Pick<Actor, 'userId'>;

export interface AgedMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  readonly tokens: number | null;
}

/** What is due to be summarised. */
export interface AgedPart {
  /** What stands for everything before. */
  readonly before: Summary | null;
  /** Whole turns, oldest first; never empty. */
  readonly messages: readonly AgedMessage[];
  /** Whether that is all that is due. */
  readonly isWhole: boolean;
}

/** What of a path's end stays as it is, and how much before that is read at once; in tokens. */
export interface Cut {
  readonly keptTokens: number;
  readonly keptMessages: number;
  readonly readTokens: number;
}

interface AgedRow extends Omit<AgedMessage, 'role'> {
  readonly role: AgedMessage['role'] | 'summary';
  readonly count: number;
}

/** Summaries in the database. Each call is a short transaction of its own. */
@Injectable()
export class SummaryStore {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly contents: SealedContent,
  ) {}

  /** What of the path to an answer is to be summarised next; null when nothing is. */
  async findAged(
    { userId }: Tenant,
    leafId: string,
    { keptTokens, keptMessages, readTokens }: Cut,
  ): Promise<AgedPart | null> {
    const values = [userId, leafId, keptTokens, keptMessages, readTokens];
    const rows = (await this.run({ userId }, { ...sql.READ_AGED, values })) as AgedRow[];
    const before = rows.find(({ role }) => role === 'summary');
    const messages = rows.filter((row): row is AgedRow & AgedMessage => row.role !== 'summary');
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

  /** Whether it is the caller who makes the summary up to a message. Whoever does not finish in time loses that again. */
  async reserve({ userId }: Tenant, messageId: string, sessionId: string, leaseMs: number): Promise<boolean> {
    const values = [userId, messageId, sessionId, leaseMs];
    return (await this.run({ userId }, { ...sql.CLAIM_SUMMARY, values })).length > 0;
  }

  /**
   * False when there is one already, or the session is gone.
   * @param key of a project that encrypts its content
   */
  async save({ userId }: Tenant, messageId: string, summary: Summary, key: ContentKey | null): Promise<boolean> {
    const { content, sealed } = sealSummary(key, messageId, summary.content);
    const values = [userId, messageId, content, sealed, summary.tokens, summary.messageCount];
    return (await this.run({ userId }, { ...sql.SAVE_SUMMARY, values })).length > 0;
  }

  /** Opened, where it is sealed. */
  private async run(actor: Tenant, statement: Statement): Promise<readonly unknown[]> {
    const [result] = await this.pipeline.run(actor, [statement]);
    return this.contents.open(actor.userId, (result?.rows ?? []) as object[]);
  }
}
