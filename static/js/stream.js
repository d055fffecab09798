// One connection to the server's event stream that does not give up and does not lie about its state.
//
// The browser's EventSource reconnects by itself after a broken connection, but for ever gives up after an
// answer that is not 200 (a 503 during a restart), and then forgets its last id. So: when it is CLOSED a new
// one is made after a growing, jittered pause, with ?after=<last id>. Scripts cannot see comments on the wire,
// so the server sends a heartbeat *event* every 15 s; 40 s without any event means that the line is dead even
// if nobody said so. Runs in a page as well as in a worker: it touches no document.

const KINDS = ['snapshot', 'notification', 'read', 'unread', 'withdrawn', 'changed', 'heartbeat'];
const SILENCE = 40_000;       // more than two heartbeats
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

export class Stream {
  #url; #account; #onFrame; #onState; #source = null; #silence = 0; #pause = 0; #failures = 0; #open = false; #over = false;

  /** State: connecting | live | reconnecting | offline | signed-out. Position: the id of the last frame. */
  state = 'connecting';
  position = '';
  heardAt = 0;

  /** The account goes with each request: if somebody else has signed in meanwhile, the server refuses. */
  constructor(url, account, { onFrame, onState }) {
    this.#url = url;
    this.#account = account;
    this.#onFrame = onFrame;
    this.#onState = onState;
    globalThis.addEventListener?.('online', () => { if (!this.#open && !this.#over) this.connect(this.position); });
    globalThis.addEventListener?.('offline', () => this.#tell());
  }

  connect(after) {
    this.#drop();
    this.#over = false;
    this.position = after;
    const source = new EventSource(`${this.#url}?${new URLSearchParams(after ? { account: this.#account, after } : { account: this.#account })}`);
    this.#source = source;
    source.onopen = () => { this.#open = true; this.#listen(); this.#tell(); };
    source.onerror = () => this.#broken(source);
    for (const kind of KINDS) source.addEventListener(kind, (event) => this.#heard(kind, event));
    this.#listen();
    this.#tell();
  }

  close() {
    this.#over = true;
    this.#drop();
  }

  #drop() {
    clearTimeout(this.#silence);
    clearTimeout(this.#pause);
    this.#source?.close();
    this.#source = null;
    this.#open = false;
  }

  #heard(type, event) {
    this.heardAt = Date.now();
    this.#failures = 0;
    this.#listen();
    if (event.lastEventId) this.position = event.lastEventId;
    this.#onFrame({ type, id: event.lastEventId, data: JSON.parse(event.data || '{}') });
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.connect(this.position), SILENCE);
  }

  #broken(source) {
    if (source !== this.#source) return;
    this.#open = false;
    this.#failures += 1;
    this.#tell();
    if (source.readyState !== EventSource.CLOSED) return;    // the browser tries again by itself, with its last id
    this.#drop();
    this.#askAndRetry();
  }

  async #askAndRetry() {
    const ceiling = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.#failures - 1, 10));
    this.#pause = setTimeout(() => this.connect(this.position), ceiling * (0.5 + Math.random() / 2));
    if (await this.#sessionIsOver()) { this.close(); this.#tell('signed-out'); }
  }

  /** Only the server can tell a lost session from a restart; no answer is no verdict. */
  async #sessionIsOver() {
    try {
      const answer = await fetch(`${this.#url}/state?${new URLSearchParams({ account: this.#account })}`, { credentials: 'same-origin', cache: 'no-store', redirect: 'manual' });
      return answer.status === 401 || answer.status === 403 || answer.type === 'opaqueredirect';
    } catch {
      return false;
    }
  }

  #tell(state = this.#open ? 'live' : navigator.onLine === false ? 'offline' : this.heardAt || this.#failures ? 'reconnecting' : 'connecting') {
    if (state === this.state && state !== 'connecting') return;
    this.state = state;
    this.#onState(state);
  }
}
