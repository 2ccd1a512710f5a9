/**
 * One WebSocket to the server, which comes back by itself.
 *
 * A close code of 1009 or 4500-4999 says that coming back would not help, any other
 * that it would: then it waits a random part of a time that doubles (full jitter), or
 * as long as a draining server asked for. A server that says nothing is asked once, and
 * given up when it does not answer.
 *
 * A browser takes in whatever comes, however slow the page is. So the server is given
 * credit for events, and more of it as they have been worked off: it leaves out what a
 * slow page has no time for.
 */

const FIRST_MS = 500;
const LONGEST_MS = 15_000;
const STEADY_MS = 10_000;
const LISTEN_MS = 10_000;
const TOO_BIG = 1009;
const CREDIT_BYTES = 1 << 20;
const encoder = new TextEncoder();
const CREDENTIAL = new Set([4401, 4500, 4501, 4502, 4503]);

export class Connection {
  #onMessage;
  #onState;
  #socket = null;
  #token = null;
  #timer = 0;
  #listening = 0;
  #asked = false;
  #heardAt = 0;
  #welcomeAt = Infinity;
  #failures = 0;
  #askedToWait = null;
  #detail = '';
  #worked = 0;

  /**
   * onMessage gets every message after the hello, the welcome first; onState gets
   * {name: connecting | live | waiting | ended | refused, until, code, reason}.
   */
  constructor(onMessage, onState) {
    this.#onMessage = onMessage;
    this.#onState = onState;
  }

  /** Connect with a credential, instead of whatever was before. */
  open(token) {
    this.#token = token;
    this.#failures = 0;
    this.#connect();
  }

  /** Connect now instead of later. */
  retry() {
    this.#connect();
  }

  close() {
    clearTimeout(this.#timer);
    clearInterval(this.#listening);
    this.#welcomeAt = Infinity;
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  /** Send a message; return whether there was a connection to send it on. */
  send(message) {
    if (this.#welcomeAt === Infinity) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #connect() {
    this.close();
    this.#detail = '';
    this.#onState({ name: 'connecting' });
    const url = new URL('ws', document.baseURI);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url, 'ncs.v1+json');
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', token: this.#token }));
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      this.#take(message);
      const costs = message.class !== undefined || message.type === 'subscribed';
      if (costs && socket === this.#socket) this.#workedOff(encoder.encode(event.data).length);
    };
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    this.#socket = socket;
    this.#asked = true; // the hello wants an answer
    this.#listening = setInterval(() => this.#listen(), LISTEN_MS);
  }

  #take(message) {
    this.#heardAt = performance.now();
    this.#asked = false;
    if (message.type === 'welcome') {
      this.#welcomeAt = this.#heardAt;
      this.#worked = 0;
      this.send({ type: 'credit', bytes: CREDIT_BYTES });
      this.#onState({ name: 'live' });
    } else if (message.type === 'draining') {
      this.#askedToWait = message.reconnect_after_ms;
    } else if (message.type === 'error') {
      this.#detail = message.detail; // whole, where a close frame cuts it off
    }
    this.#onMessage(message);
  }

  #workedOff(bytes) {
    this.#worked += bytes;
    if (this.#worked < CREDIT_BYTES / 2) return;
    this.send({ type: 'credit', bytes: this.#worked });
    this.#worked = 0;
  }

  #listen() {
    if (this.#asked) {
      this.#lost(1006, '');
    } else if (performance.now() - this.#heardAt >= LISTEN_MS) {
      this.#asked = this.send({ type: 'ping' });
    }
  }

  #lost(code, reason) {
    if (performance.now() - this.#welcomeAt > STEADY_MS) this.#failures = 0;
    this.close();
    const why = { code, reason: reason && this.#detail.startsWith(reason) ? this.#detail : reason };
    if (CREDENTIAL.has(code)) {
      this.#onState({ name: 'refused', ...why });
    } else if (code === TOO_BIG || (code >= 4500 && code <= 4999)) {
      this.#onState({ name: 'ended', ...why });
    } else {
      const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
      const wait = this.#askedToWait ?? Math.random() * longest;
      this.#failures += 1;
      this.#askedToWait = null;
      this.#timer = setTimeout(() => this.#connect(), wait);
      this.#onState({ name: 'waiting', until: performance.now() + wait, ...why });
    }
  }
}
