import { randomBytes } from 'node:crypto';

let count = 0;

/** Somebody with an account; every secret that comes by is written down. */
export class Person {
  constructor(target, server, fields) {
    this.target = target;
    this.server = server;
    Object.assign(this, fields);
  }

  static email() {
    count += 1;
    return `p${count}-${randomBytes(5).toString('hex')}@example.com`;
  }

  static async register(target, server = target.main, email = Person.email()) {
    const password = target.secrets.add('password', `correct ${randomBytes(9).toString('hex')} staple`);
    const { status, body } = await target.client.call(server, 'POST', '/auth/register', { body: { email, password } });
    if (status !== 201) throw new Error(`registering answered ${status}`);
    const person = new Person(target, server, { email, password, id: body.user.id });
    person.#take(body);
    return person;
  }

  /** Signs in anew; answers with what came. */
  async signIn(fields = {}, server = this.server) {
    const { email, password } = this;
    const answer = await this.target.client.call(server, 'POST', '/auth/login', {
      body: { email, password, ...fields },
    });
    if (answer.status === 200) this.#take(answer.body);
    return answer;
  }

  #take({ access_token, refresh_token }) {
    const { secrets } = this.target;
    this.token = secrets.add('access token', access_token);
    this.refreshToken = secrets.add('refresh token', refresh_token);
  }

  call(method, path, options = {}) {
    return this.target.client.call(options.server ?? this.server, method, path, { token: this.token, ...options });
  }

  /** As `call`, for what is not the attack but leads to it. */
  async must(method, path, options) {
    const answer = await this.call(method, path, options);
    if (answer.status < 200 || answer.status > 299) {
      throw new Error(`${method} ${path} answered ${answer.status} ${answer.text.slice(0, 300)}`);
    }
    return answer.body;
  }

  async apiKey(fields = {}) {
    const body = { name: 'Key', scopes: ['chat', 'read', 'manage'], ...fields };
    const made = await this.must('POST', '/auth/api-keys', { body });
    this.target.secrets.add('API key', made.key);
    return made;
  }

  /** One thing of each kind that has an id, by the name that the contract gives the id. */
  async belongings() {
    const { id: project_id } = await this.must('POST', '/projects', { body: { name: 'Project' } });
    const { id: prompt_id } = await this.must('POST', '/prompts', { body: { project_id, content: 'Be kind.' } });
    const turn = await this.must('POST', '/chat', { body: { project_id, message: 'A question' } });
    const { id: api_key_id } = await this.apiKey();
    return {
      project_id,
      prompt_id,
      prompt_ids: [prompt_id],
      session_id: turn.session_id,
      message_id: turn.assistant_message.id,
      parent_id: turn.assistant_message.id,
      leaf_id: turn.assistant_message.id,
      api_key_id,
      sign_in_id: claimsOf(this.token).sid,
      user_id: this.id,
    };
  }
}

export function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
}
