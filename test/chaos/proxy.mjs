import { connect, createServer } from 'node:net';

/** A TCP proxy in front of PostgreSQL, one for each instance, whose connections can be cut, frozen and refused. */
export class Proxy {
  #pairs = new Set();
  #isFrozen = false;
  #isRefusing = false;

  /** @param targetPort a function: the server may come back elsewhere */
  constructor(targetPort) {
    this.server = createServer((near) => this.#accept(near, targetPort()));
  }

  async start() {
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.port = this.server.address().port;
  }

  stop() {
    this.cut();
    return new Promise((done) => this.server.close(done));
  }

  /** Resets all connections. Returns how many there were. */
  cut() {
    const count = this.#pairs.size;
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    return count;
  }

  /** From now on nothing passes, yet nobody hears of it: a cable was pulled. */
  freeze() {
    this.#isFrozen = true;
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  /** Everything that waited passes, or with `isLost` the connections are gone. */
  thaw({ isLost }) {
    this.#isFrozen = false;
    if (isLost) return void this.cut();
    for (const { near, far } of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  refuse(isRefusing) {
    this.#isRefusing = isRefusing;
  }

  #accept(near, port) {
    near.on('error', () => undefined);
    if (this.#isRefusing) return void near.resetAndDestroy();
    const far = connect({ host: '127.0.0.1', port, noDelay: true });
    near.setNoDelay(true);
    const pair = { near, far };
    this.#pairs.add(pair);
    const close = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    far.on('error', () => undefined);
    near.on('data', (chunk) => far.write(chunk));
    far.on('data', (chunk) => near.write(chunk));
    for (const socket of [near, far]) socket.once('close', close).once('end', close);
    if (this.#isFrozen) {
      near.pause();
      far.pause();
    }
  }
}
