/**
 * What the page follows: one stream, through reconnects, pauses and lost events.
 *
 * Every subscription has an id of its own, so what was still on its way from an earlier
 * one is told apart from what belongs to this one.
 */

import { View } from './view.js';

const AGAIN_MS = 250;
const SAMPLE = { max_points: 250, max_hz: 2 };

export class Subscription {
  stream = null;
  view = new View();
  /** how often an event was not the next one */
  gaps = 0;
  #send;
  #number = 0;
  #id = null;
  #began = false;
  #again = 0;
  #features = [0, 1]; // to be shown
  #sampled = [0, 1]; // of the samples that come

  /** send takes a message and returns whether there was a connection for it. */
  constructor(send) {
    this.#send = send;
  }

  /** Follow a stream, from where its view is if it has been followed already. */
  follow(stream) {
    if (stream === this.stream) this.pause();
    else this.leave();
    this.stream = stream;
    const id = `page-${(this.#number += 1)}`;
    const sample = { ...SAMPLE, dimensions: this.#features };
    this.#sampled = this.#features;
    const message = { type: 'subscribe', id, stream, since: this.view.position, sample };
    this.#id = this.#send(message) ? id : null;
    this.#began = false;
  }

  /** Let points be told in these two features from now on. */
  show(features) {
    this.#features = [...features];
    if (this.#id !== null && this.#began && `${features}` !== `${this.#sampled}`) this.follow(this.stream);
  }

  /** Hear nothing until `follow`. */
  pause() {
    clearTimeout(this.#again);
    if (this.#id !== null) this.#send({ type: 'unsubscribe', id: this.#id });
    this.#id = null;
  }

  /** Follow nothing any more, and forget it. */
  leave() {
    this.pause();
    this.stream = null;
    this.view = new View();
    this.gaps = 0;
  }

  /** Take note that the connection is gone, and the subscription with it. */
  disconnected() {
    clearTimeout(this.#again);
    this.#id = null;
  }

  /** Take a message; return what it was: begun, event, gap, refused or nothing. */
  receive(message) {
    if (this.#id !== null && message.id === this.#id) {
      if (message.type === 'subscribed') {
        this.#began = true;
        this.view.begin(message);
        return 'begun';
      }
      this.#id = null;
      return 'refused';
    }
    if (this.#id === null || !this.#began || message.class === undefined) return 'nothing';
    if (this.view.apply(message, this.#sampled)) return 'event';
    this.gaps += 1;
    this.view.invalidate();
    this.pause();
    this.#again = setTimeout(() => this.follow(this.stream), AGAIN_MS);
    return 'gap';
  }
}
