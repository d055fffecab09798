// What a page sees of the stream: on('notification', …), on('state', …), and the state now. Browsers allow six
// connections per host, so all tabs share one: by a SharedWorker; where there is none, by a leading tab (Web
// Locks choose it, a BroadcastChannel carries); where that is missing too, the page has a stream of its own.

import { Exchange } from './exchange.js';

const { account = '', cursor = '', stream: url = '' } = document.documentElement.dataset;
const SEEN = 600;
const ANSWER = 5_000;

class Client {
  state = 'connecting';
  heardAt = 0;
  #position = cursor;
  #handlers = new Map();
  #seen = new Set();
  #join = () => {};
  #leave = () => {};

  on(type, handler) {
    if (!this.#handlers.has(type)) this.#handlers.set(type, []);
    this.#handlers.get(type).push(handler);
    return this;
  }

  start() {
    const began = 'SharedWorker' in window ? this.#byWorker() : this.#byTab();
    addEventListener('pagehide', () => this.#leave());
    addEventListener('pageshow', (event) => { if (event.persisted) this.#join(); });
    return began;
  }

  #receive(message) {
    if (message.kind === 'state') this.#status(message);
    else this.#frame(message.frame);
  }

  #status({ state, heardAt }) {
    const before = this.state;
    this.state = state;
    this.heardAt = heardAt;
    this.#tell('state', { state, before, heardAt });
  }

  #frame({ type, id, data }) {
    if (id) this.#position = id;
    if (type !== 'changed' && type !== 'snapshot' && this.#known(`${id}|${type}|${JSON.stringify(data)}`)) return;
    if (typeof data.unread === 'number') this.#tell('count', data.unread);
    this.#tell(type, data);
  }

  #known(key) {
    if (this.#seen.has(key)) return true;
    this.#seen.add(key);
    if (this.#seen.size > SEEN) this.#seen.delete(this.#seen.values().next().value);
    return false;
  }

  #tell(type, data) {
    for (const handler of this.#handlers.get(type) ?? []) handler(data);
  }

  #byWorker() {
    let worker;
    let answered = false;
    const instead = () => { if (!answered) { answered = true; this.#byTab(); } };
    try {
      worker = new SharedWorker(new URL('./stream-worker.js', import.meta.url), { type: 'module', name: `hub ${account}` });
    } catch {
      instead();
      return;
    }
    worker.onerror = instead;
    setTimeout(instead, ANSWER);
    worker.port.onmessage = ({ data }) => { answered = true; this.#receive(data); };
    this.#join = () => worker.port.postMessage({ kind: 'join', url, account, after: this.#position });
    this.#leave = () => worker.port.postMessage({ kind: 'leave' });
    this.#join();
  }

  #byTab() {
    if (!('BroadcastChannel' in window) || !navigator.locks) { this.#alone(); return; }
    const me = crypto.randomUUID?.() ?? String(Math.random());
    const channel = new BroadcastChannel(`hub ${account}`);
    let exchange = null;
    channel.onmessage = ({ data }) => {
      if (data.kind === 'join' && exchange) exchange.join(data.after, (message) => channel.postMessage({ ...message, to: data.from }));
      else if (data.kind === 'leader') this.#join();
      else if (data.kind !== 'join' && (!data.to || data.to === me) && !exchange) this.#receive(data);
    };
    this.#join = () => {
      if (exchange) exchange.join(this.#position, (message) => this.#receive(message));
      else channel.postMessage({ kind: 'join', from: me, after: this.#position });
    };
    this.#join();
    navigator.locks.request(`hub ${account}`, () => new Promise(() => {     // held until this tab goes; then the next one leads
      exchange = new Exchange(url, account, (message) => { channel.postMessage(message); this.#receive(message); });
      this.#join();
      channel.postMessage({ kind: 'leader' });
    }));
  }

  #alone() {
    const exchange = new Exchange(url, account, (message) => this.#receive(message));
    this.#join = () => exchange.join(this.#position, (message) => this.#receive(message));
    this.#join();
  }
}

export const stream = new Client();
