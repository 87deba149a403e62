import type { PoolClient } from 'pg';
import { type Response } from 'supertest';
import { DataSource } from 'typeorm';
import { newId } from '../../src/kernel/ids.js';
import { SignInAddressesRepository } from '../../src/modules/auth/sign-in-addresses.repository.js';
import { TurnClaims } from '../../src/modules/chat/storage/turn-claims.js';
import { AuditLog } from '../../src/platform/audit/audit-log.js';
import { pgPool, type Tenant } from '../../src/platform/database/pg-pool.js';
import { Pipeline } from '../../src/platform/database/pipeline.js';
import type { RowsOf, Statement } from '../../src/platform/database/statement.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { TestUser } from '../support/as-user.js';
import { dump, readTables, type Table } from '../support/catalogue.js';
import { expectSoon } from '../support/expect-soon.js';
import { setPrice } from '../support/ledger.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import type { Ids } from './attempts.js';

/**
 * One way to access resources: a request, or a method of the application that no request can trigger at a chosen time.
 */
export interface Probe {
  readonly name: string;
  run(twin: TestUser, t: TestApp, things: Things): Promise<Response | Outcome>;
}

export interface Outcome {
  readonly status: number | string;
  readonly text: string;
}

/** The resources of the victim, which each twin also has under the same ids. */
export interface Things extends Ids {
  readonly second_prompt_id: string;
  readonly question_id: string;
  /** A session in which another instance runs a turn while a second one waits. */
  readonly busy_session_id: string;
  readonly running_id: string;
  readonly waiting_id: string;
  readonly sign_in_id: string;
  /** A session whose first turn is too long for the model, and is summarised up to this answer. */
  readonly long_session_id: string;
  readonly summarised_id: string;
}

/** The result of a probe. A statement that mixes up users changes at least one of these fields. */
export interface Finding {
  readonly status: number | string;
  /** The response without values that always differ, like ids and times; null for a stream, whose pieces vary. */
  readonly answer: string | null;
  /** The input of the model. */
  readonly asked: string;
  /** Whether the response or the model input contains the victim's text. */
  readonly leaks: boolean;
  /** Whether a row of the victim has changed. */
  readonly harms: boolean;
}

/** A statement without some of its owner predicates. */
export interface SqlMutant {
  readonly statement: string;
  readonly changed: string;
}

export const oneLine = (sql: string): string => sql.replace(/\s+/g, ' ').trim();

/**
 * A victim, and for every probe a twin: a user with the same rows under the same ids, which the API never creates. All
 * policies of row-level security are open, so only the owner predicates of the statements separate the two.
 */
export class Twins {
  /** All statements that were sent since this set was cleared. */
  readonly sent = new Set<string>();
  mutant: SqlMutant | null = null;
  private tables: readonly Table[];
  private things: Things;
  private ada: TestUser;
  private untouched: string;
  private mutations = 0;
  private readonly watched = new Set<PoolClient>();

  private constructor(readonly t: TestApp) {}

  static async start(): Promise<Twins> {
    // Long periods, so no sweep and no renewal runs.
    const t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000 });
    // With a price, turns have a cost and budgets admit them.
    await setPrice(t);
    const twins = new Twins(t);
    twins.tables = (await readTables(t.database)).filter(({ owner }) => owner !== null);
    pgPool(t.app.get(DataSource)).on('acquire', (client) => twins.watch(client));
    twins.watchPipeline();
    await twins.openPolicies();
    await twins.makeVictim();
    await twins.keep();
    return twins;
  }

  close(): Promise<void> {
    return this.t.close();
  }

  /** Runs a probe as a new twin. `without`: a table of which the twin has no rows, nor any rows below them. */
  async ask(probe: Probe, mutant: SqlMutant | null = null, without: string | null = null): Promise<Finding> {
    await this.restore();
    const twin = await TestUser.register(this.t, `${newId()}@twin.example.com`);
    await this.copyTo(twin, without);
    const asked = this.t.model.requests.length;
    this.sent.clear();
    this.mutant = mutant;
    this.mutations += 1;
    try {
      const { status, text: answer } = await probe.run(twin, this.t, this.things);
      // A problem response repeats the requested path.
      const text = answer.replace(/"instance":"[^"]*"/, '');
      await this.quiet();
      const questions = JSON.stringify(this.t.model.requests.slice(asked).map(({ messages }) => messages));
      return {
        status,
        answer: text.startsWith('id:') ? null : withoutNews(text),
        asked: questions,
        leaks: ["ada's", this.ada.email, this.ada.id].some((word) => (text + questions).includes(word)),
        harms: (await this.victimsRows()) !== this.untouched,
      };
    } finally {
      this.mutant = null;
    }
  }

  private async openPolicies(): Promise<void> {
    const policies = await this.t.database.query<{ name: string; table: string; using: boolean; check: boolean }>(
      `select policyname as name, tablename as table, qual is not null as using, with_check is not null as check
       from pg_policies where 'parley_app' = any(roles)`,
    );
    for (const { name, table, using, check } of policies) {
      const clauses = `${using ? 'using (true)' : ''} ${check ? 'with check (true)' : ''}`;
      await this.t.database.query(`alter policy ${name} on ${table} ${clauses}`);
    }
  }

  private async makeVictim(): Promise<void> {
    const ada = (this.ada = await TestUser.register(this.t));
    await ada.patch('/users/me', { display_name: "ada's name" }).expect(200);
    const { id: project_id } = await ada.project({
      name: "ada's project",
      description: "ada's own",
      context_overflow: 'summarise',
    });
    const { id: prompt_id } = await ada.prompt(project_id, "ada's prompt");
    const { id: second_prompt_id } = await ada.prompt(project_id, "ada's second prompt");
    await ada.post('/projects', KEPT_BODY).set('idempotency-key', KEPT_KEY).expect(201);
    await ada.post('/chat', { project_id, message: "ada's once" }).set('idempotency-key', KEPT_KEY).expect(200);
    const turn = await ada.turn({ project_id, message: "ada's secret" });
    const { session_id } = turn;
    await ada.turn({ session_id, message: "ada's other secret" });
    await ada.post(`/chat/messages/${turn.assistant_message.id}/regenerate`, {}).expect(200);
    await ada.put(`/chat/messages/${turn.assistant_message.id}/feedback`, { rating: 'up', comment: "ada's" });
    const busy = await ada.turn({ project_id, message: "ada's busy secret" });
    const [running_id, waiting_id] = [newId(), newId()];
    for (const [i, id] of [running_id, waiting_id].entries()) {
      await this.t.database.query(
        `insert into messages (user_id, id, session_id, parent_id, seq, role, content, status)
         values ($1, $2, $3, $4, $5, 'assistant', '', 'pending')`,
        [ada.id, id, busy.session_id, busy.user_message.id, 3 + i],
      );
      await this.t.database.query(
        `insert into turns (user_id, message_id, session_id, seq, is_running, claim_id, owner, lease_until, request)
         values ($1, $2, $3, $4, $5, $6, $7, 'infinity', '{"model":null,"params":{}}')`,
        // The claim id is the message id, so that probes know it.
        [ada.id, id, busy.session_id, 3 + i, i === 0, id, newId()],
      );
    }
    await this.t.database.query('update chat_sessions set last_seq = 4 where id = $1', [busy.session_id]);
    await this.t.database.query(`insert into turn_chunks values ($1, $2, 1, 0, 'ada''s words')`, [ada.id, running_id]);
    const long = await ada.turn({ project_id, message: "ada's long secret" });
    await this.t.database.query('update messages set content_tokens = 50000 where id = $1', [long.user_message.id]);
    await this.t.database.query(
      `insert into session_summaries
         (user_id, message_id, session_id, content, content_tokens, message_count, claimed_until)
       values ($1, $2, $3, 'ada''s summary', 5, 2, 'infinity'), ($1, $4, $5, null, null, null, '-infinity')`,
      [ada.id, long.assistant_message.id, long.session_id, turn.assistant_message.id, session_id],
    );
    await this.t.database.query(
      `insert into idempotency_keys (user_id, route, key, request_hash, message_id) values ($1, 'POST /chat', $2, '', $3)`,
      [ada.id, LOST_KEY, newId()],
    );
    await this.t.app.get(UnitOfWork).run({ userId: ada.id }, async () => {
      await this.t.app.get(AuditLog).record({ userId: ada.id }, 'account.registered');
      for (const address of ADDRESSES) await this.t.app.get(SignInAddressesRepository).insert(ada.id, address);
    });
    await this.t.database.query(
      `update sign_in_addresses set last_used_at = now() - interval '1 year'
       where address_hash = (select address_hash from sign_in_addresses where user_id = $1 order by 1 limit 1)`,
      [ada.id],
    );
    for (const path of ['/users/me/budget', `/projects/${project_id}/budget`])
      await ada.put(path, { day_limit_micro_usd: 5_000_000, month_limit_micro_usd: 6_000_000 }).expect(200);
    await this.t.database.query(
      `insert into retention_runs (user_id, project_id, sessions, messages, idempotency_keys) values ($1, $2, 9, 9, 9)`,
      [ada.id, project_id],
    );
    await this.t.database.query(
      `insert into budget_reservations (user_id, message_id, project_id, micro_usd) values ($1, $2, $3, 9)`,
      [ada.id, running_id, project_id],
    );
    await this.t.database.query(
      `insert into data_keys (user_id, wrapped_key, master_version) values ($1, 'ada''s', 1)`,
      [ada.id],
    );
    const api_key_id = (await ada.apiKey()).id;
    const archived = await ada.session(project_id);
    await ada.patch(`/chat/sessions/${archived.id}`, { title: "ada's archived", archived: true }).expect(200);
    const [signIn] = await this.t.database.query<{ id: string }>('select id from sign_ins where user_id = $1', [
      ada.id,
    ]);
    await this.quiet();
    this.things = {
      project_id,
      prompt_id,
      second_prompt_id,
      session_id,
      message_id: turn.assistant_message.id,
      question_id: turn.user_message.id,
      busy_session_id: busy.session_id,
      running_id,
      waiting_id,
      api_key_id,
      sign_in_id: signIn?.id as string,
      long_session_id: long.session_id,
      summarised_id: long.assistant_message.id,
      user_id: ada.id,
    };
  }

  private async keep(): Promise<void> {
    const copies = this.tables.map(({ name }) => `create table kept.${name} as table ${name}`);
    await this.t.database.query(`create schema kept; ${copies.join('; ')}`);
    this.untouched = await this.victimsRows();
  }

  private async restore(): Promise<void> {
    const names = this.tables.map(({ name }) => name);
    const fill = names.map((name) => `insert into ${name} select * from kept.${name}`).join('; ');
    await this.t.database.query(
      `set session_replication_role = replica; truncate ${names.join(', ')} cascade; ${fill}`,
    );
  }

  private async copyTo(twin: TestUser, without: string | null): Promise<void> {
    const left = new Set(without === null ? [] : [without]);
    const copies: string[] = [];
    for (const { name, owner, foreignKeys } of this.tables) {
      if (owner === 'id') continue;
      if (foreignKeys.some(({ target }) => left.has(target))) left.add(name);
      // The victim's data key cannot be unwrapped for another user, so a twin makes its own.
      if (left.has(name) || name === 'data_keys') continue;
      // A row with a value that is unique among all users, like the hash of a key, cannot be copied.
      copies.push(`begin
        insert into ${name} select (jsonb_populate_record(null::${name},
          replace(to_jsonb(r)::text, 'ada''s', 'my')::jsonb || jsonb_build_object('user_id', '${twin.id}'))).*
        from kept.${name} r where user_id = '${this.ada.id}';
        exception when unique_violation then null;
      end;`);
    }
    await this.t.database.query(`do $$ begin ${copies.join('\n')} end $$`);
  }

  private async victimsRows(): Promise<string> {
    const rows = await dump(this.t.database, this.tables);
    return JSON.stringify(
      Object.values(rows)
        .flat()
        .filter((row) => row.includes(this.ada.id)),
    );
  }

  /** Waits until all work that a probe started has ended. */
  private async quiet(): Promise<void> {
    const pool = pgPool(this.t.app.get(DataSource));
    await expectSoon(async () => {
      const [{ running } = { running: 0 }] = await this.t.database.query<{ running: number }>(
        'select count(*)::int as running from turns where is_running and owner = $1',
        [this.t.app.get(TurnClaims).owner],
      );
      if (running > 0 || pool.idleCount < pool.totalCount || pool.waitingCount > 0) throw new Error('still busy');
    });
  }

  private watch(client: PoolClient): void {
    if (this.watched.has(client)) return;
    this.watched.add(client);
    let isOfSystem = false;
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((first: string | { name?: string; text: string; submit?: unknown }, ...rest: unknown[]) => {
      // The statements of a pipeline were recorded before they arrive here.
      if (typeof first !== 'string' && first.submit !== undefined) return query(first, ...rest);
      const text = oneLine(typeof first === 'string' ? first : first.text);
      // The system role reads across users on purpose.
      if (text.startsWith('begin')) isOfSystem = text.includes('parley_system');
      if (!isOfSystem) this.sent.add(text);
      if (text !== this.mutant?.statement) return query(first, ...rest);
      const { changed } = this.mutant;
      return query(typeof first === 'string' ? changed : { ...first, ...this.changed(first) }, ...rest);
    }) as PoolClient['query'];
  }

  private watchPipeline(): void {
    const pipeline = this.t.app.get(Pipeline);
    const run = pipeline.run.bind(pipeline);
    const changed = (statement: Statement): Statement => {
      this.sent.add(oneLine(statement.text));
      return oneLine(statement.text) === this.mutant?.statement
        ? { ...statement, ...this.changed(statement) }
        : statement;
    };
    pipeline.run = <const S extends readonly Statement[]>(
      actor: Tenant,
      statements: S,
      ahead: readonly Statement[] = [],
    ): Promise<RowsOf<S>> => run(actor, statements.map(changed), ahead.map(changed)) as Promise<RowsOf<S>>;
  }

  /** A connection caches a statement by its name, so a mutant needs another name. */
  private changed({ name }: { readonly name?: string }): { name?: string; text: string } {
    const text = this.mutant?.changed ?? '';
    return name === undefined ? { text } : { name: `${name}_${this.mutations}`, text };
  }
}

/** The addresses from which the victim has signed in; one of them long ago. */
export const ADDRESSES = ['198.51.100.1', '198.51.100.2'];
/** The idempotency key of a deleted turn. */
export const LOST_KEY = 'a-lost-key';
export const KEPT_KEY = 'a-key-of-both';
export const KEPT_BODY = { name: 'The same project' };

function withoutNews(text: string): string {
  return text
    .replace(/[\da-f]{8}-[\da-f]{4}-[\da-f-]{22}/g, '<id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/"(\w+_token|next_cursor)":"[^"]+"/g, '"$1":"<text>"');
}
