import { randomBytes } from 'node:crypto';
import request, { type Test } from 'supertest';
import type { TestApp } from './test-app.js';

type Json = Record<string, unknown>;

export const PASSWORD = 'correct horse battery';

/** A registered user: sends requests with its token, and creates the data that a test needs as a starting point. */
export class TestUser {
  private constructor(
    private readonly server: TestApp['server'],
    readonly id: string,
    readonly email: string,
    readonly accessToken: string,
    readonly refreshToken: string,
  ) {}

  static async register(
    { server }: Pick<TestApp, 'server'>,
    email = `${randomBytes(6).toString('hex')}@example.com`,
  ): Promise<TestUser> {
    const { body } = await request(server).post('/auth/register').send({ email, password: PASSWORD }).expect(201);
    const { user, access_token, refresh_token } = body as {
      user: { id: string };
      access_token: string;
      refresh_token: string;
    };
    return new TestUser(server, user.id, email, access_token, refresh_token);
  }

  /** The same user on another instance. */
  at(server: TestApp['server']): TestUser {
    return new TestUser(server, this.id, this.email, this.accessToken, this.refreshToken);
  }

  get = (path: string): Test => this.signed(request(this.server).get(path));
  post = (path: string, body?: Json): Test => this.signed(request(this.server).post(path)).send(body);
  put = (path: string, body?: Json): Test => this.signed(request(this.server).put(path)).send(body);
  patch = (path: string, body?: Json): Test => this.signed(request(this.server).patch(path)).send(body);
  delete = (path: string): Test => this.signed(request(this.server).delete(path));
  /** Deletes the account. */
  erase = (password = PASSWORD): Test => this.delete('/users/me').send({ password });

  async project(fields: Json = {}): Promise<{ id: string }> {
    return (await this.post('/projects', { name: 'Project', ...fields }).expect(201)).body as { id: string };
  }

  async prompt(projectId: string, content = 'Be kind.'): Promise<{ id: string }> {
    return (await this.post(`/projects/${projectId}/prompts`, { content }).expect(201)).body as { id: string };
  }

  async session(projectId: string): Promise<{ id: string }> {
    return (await this.post('/chat/sessions', { project_id: projectId }).expect(201)).body as { id: string };
  }

  /** An API key, by default with all scopes. */
  async apiKey(fields: Json = {}): Promise<{ id: string; key: string }> {
    const given = { name: 'Key', scopes: ['chat', 'read', 'manage'], ...fields };
    return (await this.post('/auth/api-keys', given).expect(201)).body as { id: string; key: string };
  }

  /** The same user with another token: an API key, or the token of another sign-in. */
  by(token: string): TestUser {
    return new TestUser(this.server, this.id, this.email, token, this.refreshToken);
  }

  /** A finished turn. */
  async turn(fields: Json): Promise<TurnBody> {
    return (await this.post('/chat', { message: 'Hello', ...fields }).expect(200)).body as TurnBody;
  }

  private signed(test: Test): Test {
    return test.set('authorization', `Bearer ${this.accessToken}`);
  }
}

export interface MessageBody {
  id: string;
  session_id: string;
  parent_id: string | null;
  role: string;
  content: string;
  status: string;
  finish_reason: string | null;
  provider: string | null;
  model: string | null;
  usage: { input_tokens: number; output_tokens: number; cached_input_tokens: number | null; estimated: boolean } | null;
  cost_micro_usd: number | null;
  error: { code: string } | null;
  context: { messages_sent: number; summarised: number; dropped: number; input_tokens: number } | null;
  feedback: { rating: string; comment: string | null } | null;
  created_at: string;
  completed_at: string | null;
}

export interface TurnBody {
  session_id: string;
  user_message: MessageBody;
  assistant_message: MessageBody;
}
