// One stream, many pages. Lives in the shared worker, or in the one tab that leads where there is none.
//
// A page joins with the id that its content corresponds to. If that id is among the frames kept here, it is
// sent what came after; if it is the current one, nothing; if it is unknown, it may be a little *ahead* of the
// stream (the server rendered it a moment ago), so a moment is waited for that frame to pass; failing that it
// is older than what is kept, and the stream is taken up again from there. Pages drop what they have seen.

import { Stream } from './stream.js';

const KEPT = 300;
const MOMENT = 2_500;

export class Exchange {
  #stream; #kept = []; #waiting = new Set(); #send;

  /** send(message) reaches every page; a message is {kind: 'state', state, heardAt} or {kind: 'frame', frame}. */
  constructor(url, account, send) {
    this.#send = send;
    this.#stream = new Stream(url, account, {
      onFrame: (frame) => this.#pass(frame),
      onState: () => this.#send(this.#status()),
    });
  }

  /** reply(message) reaches the joining page only. */
  join(after, reply) {
    if (this.#stream.state === 'signed-out' || !this.#started) { this.#start(after); reply(this.#status()); return; }
    reply(this.#status());
    if (!after || after === this.#stream.position) return;
    const at = this.#kept.findLastIndex((frame) => frame.id === after);
    if (at >= 0) for (const frame of this.#kept.slice(at + 1)) reply({ kind: 'frame', frame });
    else this.#wait(after);
  }

  close() {
    this.#stream.close();
    for (const one of this.#waiting) clearTimeout(one.timer);
    this.#waiting.clear();
  }

  #started = false;

  #start(after) {
    this.#started = true;
    this.#stream.connect(after);
  }

  #status() {
    return { kind: 'state', state: this.#stream.state, heardAt: this.#stream.heardAt };
  }

  #pass(frame) {
    if (frame.type === 'heartbeat') { this.#send(this.#status()); return; }
    for (const one of this.#waiting) if (one.after === frame.id) this.#forget(one);
    this.#kept.push(frame);
    if (this.#kept.length > KEPT) this.#kept.shift();
    this.#send({ kind: 'frame', frame });
  }

  #wait(after) {
    const one = { after, timer: 0 };
    const look = () => {
      if (this.#stream.state !== 'live') { one.timer = setTimeout(look, MOMENT); return; }
      this.#forget(one);
      this.#stream.connect(after);
    };
    one.timer = setTimeout(look, MOMENT);
    this.#waiting.add(one);
  }

  #forget(one) {
    clearTimeout(one.timer);
    this.#waiting.delete(one);
  }
}
