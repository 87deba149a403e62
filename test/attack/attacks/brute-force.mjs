import { each } from '../client.mjs';
import { Person } from '../people.mjs';

const PAIR = 5;
const PER_ADDRESS = 20;
const PER_ACCOUNT = 12;
const MAILS = 10;
const REGISTRATIONS = 12;
const REFRESHES = 15;
/** Five guesses at a code, and one more for each minute. */
const CODES = 6;

/** Guesses at passwords, codes and tokens end in 429, whichever way they come; their owner still gets in. */
export async function guess({ target, report }) {
  const server = await target.server('strict', {
    TRUSTED_PROXIES: '1',
    LOGIN_FAILURES: String(PAIR),
    LOGIN_FAILURES_PER_ADDRESS: String(PER_ADDRESS),
    LOGIN_FAILURES_PER_ACCOUNT: String(PER_ACCOUNT),
    MAIL_REQUESTS_PER_ADDRESS: String(MAILS),
    REGISTRATIONS_PER_ADDRESS: String(REGISTRATIONS),
    REFRESHES_PER_ADDRESS: String(REFRESHES),
    LOG_LEVEL: 'info',
  });
  const place = new Place(target, server, report);
  await place.oneAccount();
  await place.manyAccounts();
  await place.manyAddresses();
  await place.routes();
  await place.codes();
  await target.retire('strict');
}

class Place {
  #addresses = 0;

  constructor(target, server, report) {
    Object.assign(this, { target, server, report });
  }

  /** An address that nobody has been seen at. */
  somewhere() {
    this.#addresses += 1;
    return `198.18.${this.#addresses >> 8}.${this.#addresses & 255}`;
  }

  ask(from, path, body, options = {}) {
    return this.target.client.call(this.server, 'POST', path, {
      ...options,
      headers: { 'x-forwarded-for': from },
      body,
    });
  }

  logIn(from, email, password) {
    return this.ask(from, '/auth/login', { email, password });
  }

  /** Each answer that was no 429 was a guess; no more than so many may be. */
  judge(what, answers, most) {
    const guesses = answers.filter(({ status }) => status !== 429).length;
    for (const answer of answers)
      this.report.judge(`${what}: ${guesses} of ${answers.length}`, guesses <= most, answer);
  }

  /** All at once, one after the other, and in other spellings of the address. */
  async oneAccount() {
    const ada = await Person.register(this.target);
    const from = this.somewhere();
    const spellings = [ada.email, ada.email.toUpperCase(), ` ${ada.email}`, `${ada.email} `];
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => this.logIn(from, spellings[i % 4], `guess number ${i}`)),
    );
    // What a client says before its proxy does is not believed.
    for (let i = 0; i < 20; i++) answers.push(await this.logIn(`203.0.113.${i}, ${from}`, ada.email, `guess ${i}`));
    this.judge('one account from one address', answers, PAIR);
    const right = await this.logIn(from, ada.email, ada.password);
    this.report.judge('the right password among the guesses', right.status === 429, right);
    const elsewhere = await this.logIn(this.somewhere(), ada.email, ada.password);
    this.report.judge('the owner elsewhere gets in', elsewhere.status === 200, elsewhere);
  }

  async manyAccounts() {
    const from = this.somewhere();
    const answers = [];
    await each(Array.from({ length: 40 }), 8, async () =>
      answers.push(await this.logIn(from, Person.email(), 'password1')),
    );
    this.judge('many accounts from one address', answers, PER_ADDRESS);
  }

  async manyAddresses() {
    const ada = await Person.register(this.target);
    const home = this.somewhere();
    await this.logIn(home, ada.email, ada.password);
    const answers = [];
    await each(Array.from({ length: 30 }), 8, async () =>
      answers.push(await this.logIn(this.somewhere(), ada.email, 'a guess at it')),
    );
    this.judge('one account from many addresses', answers, PER_ACCOUNT);
    const owner = await this.logIn(home, ada.email, ada.password);
    this.report.judge('the owner at home gets in', owner.status === 200, owner);
  }

  async routes() {
    const ada = await Person.register(this.target);
    const password = 'a decent pass phrase';
    const routes = [
      ['/auth/register', () => ({ email: Person.email(), password }), REGISTRATIONS],
      ['/auth/refresh', (i) => ({ refresh_token: `prt_${i}` }), REFRESHES],
      ['/auth/password/reset', (i) => ({ token: `ppr_${i}`, new_password: password }), MAILS],
      ['/auth/email/verify', (i) => ({ token: `pve_${i}` }), MAILS],
      ['/auth/password/forgot', () => ({ email: ada.email }), MAILS],
      ['/users/me/password', (i) => ({ current_password: `guess ${i}`, new_password: password }), PER_ADDRESS],
    ];
    for (const [path, body, most] of routes) {
      const from = this.somewhere();
      const answers = [];
      const token = path.startsWith('/users') ? { token: ada.token } : {};
      await each(
        Array.from({ length: most + 10 }, (_, i) => i + 1),
        8,
        async (i) => answers.push(await this.ask(from, path, body(i), token)),
      );
      this.judge(path, answers, most);
    }
  }

  /** From a new address each time, as whoever has the password can come from everywhere. */
  async codes() {
    const ada = await Person.register(this.target);
    const { secret } = await ada.must('POST', '/auth/second-factor', { body: { password: ada.password } });
    this.target.secrets.add('second factor', secret);
    const answers = [];
    for (let i = 0; i < 25; i++) {
      const code = String(i).padStart(6, '0');
      answers.push(await this.ask(this.somewhere(), '/auth/second-factor/confirm', { code }, { token: ada.token }));
    }
    this.judge('codes of a second factor', answers, CODES);
  }
}
