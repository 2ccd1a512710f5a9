/** A line for what is the matter, with something that can be done about it. */

import { byId, say } from './dom';

export class Notice {
  readonly #line = byId('notice');
  readonly #text = this.#line.querySelector('span')!;
  readonly #button = this.#line.querySelector('button')!;

  constructor(acted: () => void) {
    this.#button.addEventListener('click', () => acted());
  }

  /** Say something, and offer an action; an empty text is no notice. */
  show(text: string, action = ''): void {
    say(this.#text, text);
    say(this.#button, action);
    this.#button.hidden = !action;
    this.#line.hidden = !text;
  }
}
